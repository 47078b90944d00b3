"""Samples, splits, reading images of every kind, and batches that depend on nothing but their seeds."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from rga.data import core, transforms
from rga.data.core import Batch, ReIDDataset, Sample, Splits, read_image

SIZE = (32, 16)
WORKERS_FORK = pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python 3.12 and 3.13, with threads


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 12, 3), dtype=np.uint8)


@pytest.fixture
def samples(tmp_path):
    """Six identities with four images each, of different sizes, seen by two cameras."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(24):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (30 + i, 12 + i % 5, 3), dtype=np.uint8)).save(path)
        made.append(Sample(path, i // 4, 1 + i % 2))
    return tuple(made)


def epochs(loader, count=2):
    batches = []
    for epoch in range(count):
        loader.batch_sampler.set_epoch(epoch)
        batches += loader
    return batches


def same(a, b):
    return len(a) == len(b) and all(
        torch.equal(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


# ---------------------------------------------------------------- Splits


def test_splits_count_and_print():
    def some(pids, camids):
        return tuple(Sample(None, pid, camid) for pid in pids for camid in camids)

    splits = Splits("Some set", some(range(3), (1, 2)), some((70, 80), (1,)), some((70, 80, 90), (1, 2, 6)))
    assert splits.num_pids == 3
    assert str(splits).splitlines() == [
        "Some set",
        "subset   |   ids | images | cameras",
        "train    |     3 |      6 |       2",
        "query    |     2 |      2 |       1",
        "gallery  |     3 |      9 |       3",
    ]
    assert str(dataclasses.replace(splits, missing=("a", "b"))).endswith("\nmissing  | 2 images: a, b")
    many = dataclasses.replace(splits, missing=tuple("abcdefgh"))
    assert str(many).endswith("\nmissing  | 8 images: a, b, c, d, e, …")


def test_splits_of_nothing():
    assert Splits("empty", (), (), ()).num_pids == 0


# ---------------------------------------------------------------- read_image


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_lossless_formats_are_read_exactly(tmp_path, pixels, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path, lossless=True)
    image = read_image(path)
    assert image.dtype == torch.uint8 and image.shape == (3, 20, 12)
    np.testing.assert_array_equal(image.permute(1, 2, 0), pixels)
    assert torch.equal(read_image(str(path)), image)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("L", "png"),
        ("1", "png"),
        ("P", "png"),
        ("P", "gif"),
        ("LA", "png"),
        ("RGBA", "png"),
        ("CMYK", "tiff"),
    ],
)
def test_modes_become_rgb(tmp_path, pixels, mode, suffix):
    path = tmp_path / f"image.{suffix}"
    converted = Image.fromarray(pixels).convert(mode)
    converted.save(path)
    np.testing.assert_array_equal(read_image(path).permute(1, 2, 0), np.asarray(converted.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path, mode):
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)[:, None].repeat(24, 1)[:, :, None].repeat(3, 2)
    Image.fromarray(ramp).convert(mode).save(tmp_path / "image.jpg", quality=95)
    difference = read_image(tmp_path / "image.jpg").permute(1, 2, 0).numpy().astype(int) - ramp
    assert abs(difference).max() <= 4


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix):
    values = np.linspace(0, 65535, 240).reshape(20, 12).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / f"image.{suffix}")
    difference = read_image(tmp_path / f"image.{suffix}").numpy() - values / 257
    assert abs(difference).max() < 1


def test_a_palette_with_transparent_colours(tmp_path, pixels):
    image = Image.fromarray(pixels).quantize(16)
    image.save(tmp_path / "image.png", transparency=bytes([0, 100] + [255] * 14))
    np.testing.assert_array_equal(
        read_image(tmp_path / "image.png").permute(1, 2, 0), np.asarray(image.convert("RGB"))
    )


def test_exif_orientation_is_applied(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "image.png", exif=exif)
    np.testing.assert_array_equal(
        read_image(tmp_path / "image.png").permute(1, 2, 0), np.rot90(pixels, axes=(1, 0))
    )


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("part", [0, 0.03, 0.5])
def test_a_broken_image_is_named(tmp_path, pixels, suffix, part):
    path = tmp_path / f"broken.{suffix}"
    Image.fromarray(pixels).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(
        ValueError, match=rf"broken\.{suffix} cannot be read as an image .*copy or extract it"
    ):
        read_image(path)


def test_a_file_that_is_no_image(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.png cannot be read"):
        read_image(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")


# ---------------------------------------------------------------- ReIDDataset


@pytest.mark.parametrize("cache", [False, True])
def test_items(samples, cache):
    dataset = ReIDDataset(samples, lambda image: image, cache=cache)
    assert len(dataset) == 24
    for index, sample in enumerate(samples):
        image, *rest = dataset[index]
        assert torch.equal(image, read_image(sample.path))
        assert rest == [sample.pid, sample.camid, index]


def test_the_cache_holds_the_images_and_survives_pickling(samples):
    dataset = ReIDDataset(samples, transforms.train_transform(SIZE), cache=True)
    before = dataset[3, 7][0]
    for sample in samples:
        sample.path.unlink()
    assert torch.equal(dataset[3, 7][0], before)
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[3, 7][0], before)


def test_transforms_do_not_write_into_the_cache(samples):
    dataset = ReIDDataset(samples, transforms.train_transform((36, 13)), cache=True)  # sample 6's own size
    originals = [image.copy() for image in dataset.images]
    for seed in range(20):
        dataset[6, seed]
    assert all(np.array_equal(a, b) for a, b in zip(originals, dataset.images, strict=True))


def test_the_seed_of_a_draw_decides_it_and_leaves_the_generators_alone(samples):
    dataset = ReIDDataset(samples, transforms.train_transform(SIZE))
    before = torch.get_rng_state()
    first = dataset[0, 5][0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(10)
    assert torch.equal(dataset[0, 5][0], first)
    assert len({str(dataset[0, seed][0].tolist()) for seed in range(20)}) > 10
    assert dataset[0, 5][3] == 0


# ---------------------------------------------------------------- loaders


def test_batches(samples):
    loader = core.train_loader(samples, SIZE, p=3, k=2, seed=0)
    (batch,) = {type(batch) for batch in loader}
    assert batch is Batch and len(loader) == 2
    for images, pids, camids, indices in loader:
        assert images.shape == (6, 3, *SIZE) and images.dtype == torch.float32
        for values in (pids, camids, indices):
            assert values.shape == (6,) and values.dtype == torch.int64
        assert pids.tolist() == [samples[i].pid for i in indices]
        assert camids.tolist() == [samples[i].camid for i in indices]
        assert len(pids.unique()) == 3


@WORKERS_FORK
def test_training_batches_depend_on_seed_and_epoch_alone(samples):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches = epochs(core.train_loader(samples, SIZE, 3, 2, seed=1))
    assert torch.equal(torch.get_rng_state(), before), "the loader draws nothing from the global generator"
    torch.manual_seed(99)
    assert same(batches, epochs(core.train_loader(samples, SIZE, 3, 2, seed=1, cache=True)))
    assert same(batches, epochs(core.train_loader(samples, SIZE, 3, 2, seed=1, workers=2)))
    assert not same(batches, epochs(core.train_loader(samples, SIZE, 3, 2, seed=2)))
    assert not same(batches[:2], batches[2:])


@WORKERS_FORK
def test_the_test_loader_keeps_the_order_and_the_last_images(samples):
    batches = list(core.test_loader(samples, SIZE, batch_size=7))
    assert [len(batch.pids) for batch in batches] == [7, 7, 7, 3]
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(24))
    expected = transforms.test_transform(SIZE)(read_image(samples[9].path))
    assert torch.equal(batches[1].images[2], expected)
    assert same(batches, list(core.test_loader(samples, SIZE, batch_size=7, workers=1)))


def test_a_broken_image_stops_the_loader_with_its_name(samples):
    samples[5].path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"5\.png cannot be read as an image"):
        list(core.test_loader(samples, SIZE))


def test_stack_images_resizes_to_one_size(tmp_path):
    for name, size in (("a.png", (5, 9)), ("b.png", (8, 4))):
        Image.new("RGB", size, (10, 20, 30)).save(tmp_path / name)
    stacked = core.stack_images([tmp_path / "a.png", tmp_path / "b.png"], (6, 3))
    assert stacked.shape == (2, 3, 6, 3)
    assert stacked.dtype == torch.uint8
    assert (stacked == torch.tensor([10, 20, 30])[:, None, None]).all()
