"""How samples become batches: the torch Dataset, and loaders for training and for testing."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from rga.data.core import Sample
from rga.data.images import read_image
from rga.data.sampler import PKSampler
from rga.data.transforms import test_transform, train_transform


class Batch(NamedTuple):
    """B samples: images (B, 3, H, W) float32, and pids, camids, indices (B,) int64."""

    images: torch.Tensor
    pids: torch.Tensor
    camids: torch.Tensor
    indices: torch.Tensor


class ReIDDataset(Dataset):
    """Samples as (image (3, H, W), pid, camid, index) after `transform`.

    A key is an index, or a pair (index, seed): the seed alone then decides the augmentation of this draw, so
    batches do not depend on the number of workers. `cache=True` decodes every image once, at construction,
    and keeps it as uint8 in its own size (CUHK03's training set: about 0.6 GB).
    """

    def __init__(self, samples: Sequence[Sample], transform: Callable, cache: bool = False):
        self.samples = samples
        self.transform = transform
        # Arrays, because a list of thousands of tensors exhausts file handles when workers are spawned.
        self.images = [read_image(sample.path).numpy() for sample in samples] if cache else None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key):
        index, seed = key if isinstance(key, tuple) else (key, None)
        path, pid, camid = self.samples[index]
        image = torch.from_numpy(self.images[index]) if self.images else read_image(path)
        if seed is None:
            return self.transform(image), pid, camid, index
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would reseed the GPU too, which fork_rng(devices=[]) does not restore.
            torch.default_generator.manual_seed(seed)
            return self.transform(image), pid, camid, index


def collate(items) -> Batch:
    """A list of the data set's items as one Batch."""
    return Batch(*default_collate(items))


def train_loader(
    samples: Sequence[Sample],
    size: tuple[int, int],
    p: int,
    k: int,
    seed: int,
    workers: int = 0,
    cache: bool = False,
) -> DataLoader:
    """Augmented batches of p identities × k images of size (height, width), the same for the same seed.

    Call `loader.batch_sampler.set_epoch(epoch)` before each epoch: seed and epoch decide every batch, whatever
    the number of workers. Raises ValueError as PKSampler does, and for an image that cannot be read.
    """
    sampler = PKSampler([sample.pid for sample in samples], p, k, seed)
    dataset = ReIDDataset(samples, train_transform(size), cache)
    return _loader(dataset, workers, batch_sampler=sampler)


def test_loader(
    samples: Sequence[Sample], size: tuple[int, int], batch_size: int = 64, workers: int = 0
) -> DataLoader:
    """Every sample once, in order, resized to (height, width) without augmentation."""
    return _loader(ReIDDataset(samples, test_transform(size)), workers, batch_size=batch_size)


def _loader(dataset, workers, **batches) -> DataLoader:
    return DataLoader(
        dataset,
        **batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # else each epoch draws a number from the global generator
    )
