"""The code of docs/frames.md runs as it is printed: people on frames are found in a gallery."""

import re
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.small_network import network
from PIL import Image
from torchvision.models import detection

from rga.data import read_image, synthetic
from rga.drawn_people.scene import SCENES, paint
from rga.search import build_index
from rga.training.checkpoint import save

PAGE = Path(__file__).resolve().parent.parent / "docs" / "frames.md"
SET_UP, LOOP = re.findall(
    r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
LEFT, TOP, APART = 60, 150, 160  # pixels, of people on a frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the code runs."""
    return tmp_path_factory.mktemp("frames")


@pytest.fixture(scope="module")
def people(folder):
    """A gallery of drawn people, and a network, in that folder."""
    splits = synthetic.load(folder / "people", identities=(4, 4), images_per_camera=2, workers=1)
    (folder / "data" / "photos").mkdir(parents=True)
    paths = [sample.path for sample in splits.gallery]
    for path in paths:
        Image.open(path).save(folder / "data" / "photos" / path.name)
    save(folder / "runs" / "full" / "checkpoint.pt", network())
    return paths


def scene(people):
    """A drawn scene with people before it: the frame, and their boxes."""
    frame, boxes = np.array(paint(SCENES[1], np.random.default_rng(0), 190)), []
    for number, path in enumerate(people):
        person = read_image(path).permute(1, 2, 0).numpy()
        left, bottom = LEFT + APART * number, TOP + len(person)
        right = left + person.shape[1]
        frame[TOP:bottom, left:right] = person
        boxes.append((left, TOP, right, bottom))
    return frame, torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)


def test_people_on_frames_are_found(folder, people, monkeypatch, capsys):
    build = detection.fasterrcnn_mobilenet_v3_large_320_fpn
    untrained = {"weights": None, "weights_backbone": None, "num_classes": 91}
    monkeypatch.setattr(
        detection, "fasterrcnn_mobilenet_v3_large_320_fpn", lambda weights: build(**untrained)
    )
    scenes = [scene(people[:3]), scene([]), scene(people[3:5])]
    names = {"frames": [frame for frame, _ in scenes]}
    with chdir(folder):
        exec(SET_UP, names)
        assert names["detect"](names["frames"][0]).shape[1:] == (
            4,
        )  # by torchvision's network, without weights
        known = iter([boxes for _, boxes in scenes])
        names["detect"] = lambda frame: next(known)
        exec(LOOP, names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"frame 0, box [{LEFT}, {TOP}, ") and lines[3].startswith("frame 2")
    assert [line.split(": ")[1] for line in lines] == [f"{path.name}, distance 0.000" for path in people[:5]]
    names |= {"frames": names["frames"][1:2], "detect": lambda frame: torch.empty(0, 4)}
    exec(LOOP, names)
    assert not capsys.readouterr().out


def test_the_frames_themselves_would_be_warned_of(folder, people, caplog):
    (folder / "frames").mkdir()
    Image.fromarray(scene(people[:3])[0]).save(folder / "frames" / "0.jpg")
    build_index(network(), folder / "frames")
    build_index(network(), folder / "data" / "photos")
    (warning,) = caplog.messages
    assert (
        "frames look like whole scenes: 1 of 1" in warning and "docs/frames.md" in warning and PAGE.is_file()
    )
