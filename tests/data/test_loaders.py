"""Batches that depend on nothing but their seeds."""

import multiprocessing
import pickle
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader

from rga.data import transforms
from rga.data.images import read_image
from rga.data.loaders import Batch, ReIDDataset, collate, network_input, train_loader
from rga.data.loaders import test_loader as ordered_loader
from rga.data.samples import Sample

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


def test_an_index_gives_the_plain_image(samples):
    dataset = ReIDDataset(samples, SIZE)
    assert len(dataset) == 24
    for index, sample in enumerate(samples):
        image, *rest = dataset[index]
        assert torch.equal(image, transforms.resize(read_image(sample.path), SIZE))
        assert rest == [sample.pid, sample.camid, index, (0, 0, 0, 0)]


def test_an_index_and_a_seed_give_the_image_as_drawn(samples):
    dataset, seen = ReIDDataset(samples, SIZE), set()
    for seed in range(40):
        drawn = transforms.draw(seed, SIZE)
        image = transforms.resize(read_image(samples[3].path), drawn.resized)
        image = transforms.crop(image, SIZE, drawn.top, drawn.left)
        item = dataset[3, seed]
        assert torch.equal(item.image, transforms.flip(image) if drawn.flipped else image)
        assert (item.pid, item.camid, item.index, item.erased) == (0, 2, 3, drawn.erased)
        seen.add((drawn.flipped, drawn.resized, drawn.erased[2] > 0))
    assert len(seen) == 8


def test_draws_leave_the_generators_alone(samples):
    before = torch.get_rng_state()
    ReIDDataset(samples, SIZE)[0, 5]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("folder", [False, True])
def test_a_cache_needs_the_files_no_more_and_survives_pickling(samples, tmp_path, folder):
    cache = tmp_path / "cache" if folder else True
    plain, dataset = ReIDDataset(samples, SIZE), ReIDDataset(samples, SIZE, cache)
    keys = [(index, seed) for index in range(24) for seed in range(3)] + list(range(24))
    before = [plain[key] for key in keys]
    for sample in samples:
        sample.path.unlink()
    for kept in (dataset, pickle.loads(pickle.dumps(dataset))):
        for key, (image, *rest) in zip(keys, before, strict=True):
            assert torch.equal(kept[key].image, image) and list(kept[key][1:]) == rest


def test_batches(samples):
    loader = train_loader(samples, SIZE, p=3, k=2, seed=0)
    (batch,) = {type(batch) for batch in loader}
    assert batch is Batch and len(loader) == 2
    for batch in loader:
        assert batch.images.shape == (6, 3, *SIZE) and batch.images.dtype == torch.uint8
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        for values in (batch.pids, batch.camids, batch.indices):
            assert values.shape == (6,) and values.dtype == torch.int64
        assert batch.erased.shape == (6, 4) and batch.erased.dtype == torch.int64
        assert batch.pids.tolist() == [samples[i].pid for i in batch.indices]
        assert batch.camids.tolist() == [samples[i].camid for i in batch.indices]
        assert len(batch.pids.unique()) == 3


def test_the_networks_input_is_normalised_and_erased(samples):
    for batch in epochs(train_loader(samples, SIZE, p=3, k=2, seed=0)):
        images = network_input(batch)
        assert images.dtype == torch.float32 and images.is_contiguous(memory_format=torch.channels_last)
        for image, pixels, (top, left, height, width) in zip(images, batch.images, batch.erased, strict=True):
            expected = transforms.normalise(pixels[None])[0]
            expected[:, top : top + height, left : left + width] = 0
            assert torch.equal(image, expected)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_input(samples):
    loader = train_loader(samples, SIZE, p=3, k=2, seed=0)
    for batch in loader:
        assert batch.images.is_pinned()
        images = network_input(batch, "cuda")
        assert images.is_cuda and images.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(images.cpu(), network_input(batch))


@WORKERS_FORK
def test_training_batches_depend_on_seed_and_epoch_alone(samples, tmp_path):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches = epochs(train_loader(samples, SIZE, 3, 2, seed=1))
    assert torch.equal(torch.get_rng_state(), before), "the loader draws nothing from the global generator"
    torch.manual_seed(99)
    for cache in (False, True, tmp_path / "cache"):
        for workers in (0, 1, 2):
            assert same(batches, epochs(train_loader(samples, SIZE, 3, 2, 1, workers, cache)))
    assert not same(batches, epochs(train_loader(samples, SIZE, 3, 2, seed=2)))
    assert not same(batches[:2], batches[2:])


def test_workers_that_are_not_forked_get_the_cache(samples, tmp_path):
    kept = [ReIDDataset(samples, SIZE, cache) for cache in (True, tmp_path / "cache")]
    batches = DataLoader(
        ConcatDataset(kept), 24, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    memory, disk = (batch.images for batch in batches)
    assert torch.equal(memory, collate(list(kept[0])).images) and torch.equal(disk, memory)


@WORKERS_FORK
def test_the_test_loader_keeps_the_order_and_the_last_images(samples, tmp_path):
    batches = list(ordered_loader(samples, SIZE, batch_size=7))
    assert [len(batch.pids) for batch in batches] == [7, 7, 7, 3]
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(24))
    assert not torch.cat([batch.erased for batch in batches]).any()
    expected = transforms.resize(read_image(samples[9].path), SIZE)
    assert torch.equal(batches[1].images[2], expected)
    for workers, cache in ((1, False), (0, True), (0, tmp_path / "cache")):
        assert same(batches, list(ordered_loader(samples, SIZE, 7, workers, cache)))


@WORKERS_FORK
@pytest.mark.parametrize("broken", [b"", None], ids=["empty", "missing"])
@pytest.mark.parametrize("cut", [train_loader, ordered_loader])
def test_an_error_in_a_worker_is_that_without_workers(samples, cut, broken):
    samples[5].path.unlink()
    if broken is not None:
        samples[5].path.write_bytes(broken)
    batches = {"p": 6, "k": 4, "seed": 0} if cut is train_loader else {}
    errors = []
    for workers in (0, 1):
        with (
            pytest.raises((ValueError, OSError)) as raised,
            closing(cut(samples, SIZE, **batches, workers=workers)) as loader,
        ):
            list(loader)
        errors.append((raised.type, str(raised.value)))
    assert errors[0] == errors[1] and "5.png" in errors[0][1]
    assert errors[0][0] is (FileNotFoundError if broken is None else ValueError)


@WORKERS_FORK
def test_workers_serve_all_epochs_until_the_loader_is_closed(samples):
    loader = train_loader(samples, SIZE, 3, 2, seed=1, workers=2)
    first = epochs(loader)
    workers = set(multiprocessing.active_children())
    assert (
        same(epochs(loader), first)
        and len(workers) == 2
        and set(multiprocessing.active_children()) == workers
    )
    loader.close()
    assert not multiprocessing.active_children()
    loader.close()  # a second time does nothing
    with closing(loader):
        assert same(epochs(loader), first)
    assert not multiprocessing.active_children()


SCRIPT = """
import sys
from rga.data import Sample, test_loader
samples = [Sample(path, 0, 0) for path in sys.argv[1:]]
{body}
"""


@pytest.mark.parametrize(
    "body, message",
    [
        (
            "for batch in test_loader(samples, (32, 16), 4, workers=1): pass",
            "5.png cannot be read as an image",
        ),
        (
            "loader = test_loader(samples, (32, 16), 4, workers=2)\nfor batch in loader: 1 / 0",
            "ZeroDivisionError",
        ),
        ("batches = iter(test_loader(samples, (32, 16), 4, workers=1))\nnext(batches)", ""),
    ],
    ids=["broken image", "error of its user", "no error"],
)
def test_a_process_ends_with_a_loader_that_nobody_closed(samples, body, message):
    samples[5].path.write_bytes(samples[5].path.read_bytes()[:400])
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        SCRIPT.format(body=body),
        *(sample.path for sample in samples),
    ]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60)
    assert message in done.stderr and done.returncode == bool(message)


@pytest.mark.parametrize("cache", [False, True])
def test_a_broken_image_stops_the_loader_with_its_name(samples, cache):
    samples[5].path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"5\.png cannot be read as an image"):
        list(ordered_loader(samples, SIZE, cache=cache))
