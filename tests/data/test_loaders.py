"""Batches that depend on nothing but their seeds."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from rga.data import transforms
from rga.data.core import Sample
from rga.data.images import read_image
from rga.data.loaders import Batch, ReIDDataset, train_loader
from rga.data.loaders import test_loader as ordered_loader

SIZE = (32, 16)
WORKERS_FORK = pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python 3.12 and 3.13, with threads


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


def test_batches(samples):
    loader = train_loader(samples, SIZE, p=3, k=2, seed=0)
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
    batches = epochs(train_loader(samples, SIZE, 3, 2, seed=1))
    assert torch.equal(torch.get_rng_state(), before), "the loader draws nothing from the global generator"
    torch.manual_seed(99)
    assert same(batches, epochs(train_loader(samples, SIZE, 3, 2, seed=1, cache=True)))
    assert same(batches, epochs(train_loader(samples, SIZE, 3, 2, seed=1, workers=2)))
    assert not same(batches, epochs(train_loader(samples, SIZE, 3, 2, seed=2)))
    assert not same(batches[:2], batches[2:])


@WORKERS_FORK
def test_the_test_loader_keeps_the_order_and_the_last_images(samples):
    batches = list(ordered_loader(samples, SIZE, batch_size=7))
    assert [len(batch.pids) for batch in batches] == [7, 7, 7, 3]
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(24))
    expected = transforms.test_transform(SIZE)(read_image(samples[9].path))
    assert torch.equal(batches[1].images[2], expected)
    assert same(batches, list(ordered_loader(samples, SIZE, batch_size=7, workers=1)))


def test_a_broken_image_stops_the_loader_with_its_name(samples):
    samples[5].path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"5\.png cannot be read as an image"):
        list(ordered_loader(samples, SIZE))
