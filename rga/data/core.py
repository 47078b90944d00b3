"""What every data set gives (samples, splits) and how samples become batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.transforms.v2.functional import pil_to_tensor, resize

from rga.data.sampler import PKSampler
from rga.data.transforms import test_transform, train_transform


class Sample(NamedTuple):
    """One image: its file, the identity of its person and the camera that took it."""

    path: Path
    pid: int
    camid: int


@dataclass(frozen=True)
class Splits:
    """A data set: images to learn from, and images of other people to search with (query) and in (gallery).

    Training identities are numbered 0 … num_pids − 1; query and gallery keep the data set's own numbers.
    `missing` names the images (file stems) that the protocol lists and the folder lacks.
    """

    name: str
    train: tuple[Sample, ...]
    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]
    missing: tuple[str, ...] = ()

    @property
    def num_pids(self) -> int:
        """Number of training identities: the classes of the classifier."""
        return len({sample.pid for sample in self.train})

    def __str__(self) -> str:
        lines = [self.name, f"{'subset':<8} | {'ids':>5} | {'images':>6} | {'cameras':>7}"]
        for subset in ("train", "query", "gallery"):
            samples = getattr(self, subset)
            ids, cameras = (len({getattr(s, field) for s in samples}) for field in ("pid", "camid"))
            lines.append(f"{subset:<8} | {ids:>5} | {len(samples):>6} | {cameras:>7}")
        if self.missing:
            first = ", ".join(self.missing[:5]) + (", …" if len(self.missing) > 5 else "")
            lines.append(f"missing  | {len(self.missing)} images: {first}")
        return "\n".join(lines)


class Batch(NamedTuple):
    """B samples: images (B, 3, H, W) float32, and pids, camids, indices (B,) int64."""

    images: torch.Tensor
    pids: torch.Tensor
    camids: torch.Tensor
    indices: torch.Tensor


def read_image(path: str | Path) -> torch.Tensor:
    """The picture in a file as uint8 RGB (3, H, W), upright by its EXIF tag, whatever format and mode it has.

    Raises FileNotFoundError, or ValueError if the file is not a whole image.
    """
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I"):  # Pillow would clip 16-bit values at 255 instead of scaling them
                image = image.point(lambda value: value / 256).convert("L")
            elif image.mode == "P":  # Pillow warns about a transparent palette unless it becomes RGBA first
                image = image.convert("RGBA")
            return pil_to_tensor(image.convert("RGB"))
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead them into
        raise ValueError(
            f"{path} cannot be read as an image ({error}). The file is empty, cut short or of an unknown "
            "format: copy or extract it again."
        ) from error


def stack_images(paths: Sequence[str | Path], size: tuple[int, int]) -> torch.Tensor:
    """The pictures in some files, each resized to (height, width): (B, 3, height, width) uint8, to look at."""
    return torch.stack([resize(read_image(path), list(size), antialias=True) for path in paths])


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
