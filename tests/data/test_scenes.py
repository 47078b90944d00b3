"""Whole scenes are noticed by the sizes of their files; crops of one person are not taken for them."""

import numpy as np
import pytest
from PIL import Image

from rga.data import scenes
from rga.data.scenes import scene_warning
from rga.data.synthetic import load


def write(folder, *sizes, suffix="jpg", **options):
    """Images of these (height, width)."""
    paths = []
    for height, width in sizes:
        paths.append(folder / f"{len(list(folder.iterdir()))} é.{suffix}")
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(paths[-1], **options)
    return paths


def test_scenes_are_noticed(tmp_path):
    paths = write(tmp_path, (48, 64), (64, 48), (72, 128), (50, 50), (128, 64))
    assert scene_warning(paths, "queries") == (
        "queries look like whole scenes: 4 of 5 looked at have a height below 1.4 times their width, such as 0 é.jpg "
        "(64 × 48 pixels). Expected crops that one person fills: run a person detector first and cut the people out "
        "(rga.data.crop_boxes; docs/frames.md)."
    )


@pytest.mark.parametrize("sizes", [[], [(128, 64)], [(70, 50)], [(48, 64), (128, 64)]])
def test_crops_and_a_few_wide_ones_are_not(tmp_path, sizes):
    assert scene_warning(write(tmp_path, *sizes), "they") == ""


def test_drawn_people_are_not(tmp_path):
    options = {"identities": (4, 4), "images_per_camera": 2, "crowd": 1.0, "workers": 1}
    for boxes in ("labeled", "detected"):
        splits = load(tmp_path / "people", boxes=boxes, **options)
        paths = [sample.path for sample in splits.train + splits.query + splits.gallery]
        assert len(paths) > 20 and scene_warning(paths, "they") == ""


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("size", [(40, 80), (80, 40)])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_sizes_are_those_of_the_image_as_it_is_shown(tmp_path, suffix, size, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    paths = write(tmp_path, size, suffix=suffix, exif=exif)
    shown = size if orientation < 5 else size[::-1]
    assert bool(scene_warning(paths, "they")) == (shown == (40, 80))


def test_pixels_are_not_decoded(tmp_path, monkeypatch):
    paths = [path for suffix in ("jpg", "png") for path in write(tmp_path, (40, 80), suffix=suffix)]
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("decoded"))
    assert "2 of 2" in scene_warning(paths, "they")


def test_files_that_cannot_be_read_do_not_count(tmp_path):
    paths = write(tmp_path, (40, 80), (40, 80))
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    broken = [tmp_path / "broken.jpg", tmp_path / "gone.jpg"]
    assert "2 of 2" in scene_warning([*broken, *paths], "they") and scene_warning(broken, "they") == ""


def test_a_few_files_of_many_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "LOOKED_AT", 4)
    crops, wide = write(tmp_path, *[(80, 40)] * 4), write(tmp_path, *[(40, 80)] * 6)
    assert "3 of 4" in scene_warning(crops[:2] + wide + crops[2:], "they")  # numbers 0, 2, 5 and 7
