"""The PyTorch Dataset and DataLoaders: samples become batches, and batches the network's input."""

import signal
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing import util
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from rga.data import transforms
from rga.data.cache import resized_images
from rga.data.images import to_rgb
from rga.data.sampler import PKSampler
from rga.data.samples import Sample, TrainSample
from rga.data.transforms import Draw, Size


class Item(NamedTuple):
    """One sample: image (3, H, W) uint8, cropped and flipped; erased is still to be done, see `network_input`."""

    image: Tensor
    pid: int  # in training the label
    camid: int
    index: int
    erased: tuple[int, int, int, int]


class Batch(NamedTuple):
    """B samples, as small as they can be sent to a device; `network_input` makes them what the network sees."""

    images: Tensor  # (B, 3, H, W) uint8 in channels-last memory, cropped and flipped
    pids: Tensor  # (B,) int64, as are the next two; in training the labels
    camids: Tensor
    indices: Tensor
    erased: Tensor  # (B, 4) int64 rectangles to erase: top, left, height, width; height 0: nothing


def network_input(batch: Batch, device: str | torch.device | None = None) -> Tensor:
    """(B, 3, H, W) float32, normalised and erased on `device` (None: where the batch is), channels-last.

    The bytes travel, a quarter of the floats, and from pinned memory while the device still computes.
    """
    images = transforms.normalise(batch.images.to(device, non_blocking=True))
    return transforms.erase(images, batch.erased)


class ReIDDataset(Dataset):
    """`samples` as `Item`s of size (height, width).

    A key is an index, for the plain image, or a pair (index, seed): the seed alone then decides the augmentation of
    this draw, so that batches do not depend on the number of workers. cache: as in `train_loader`; `augmented`
    says whether there will be seeds, for which the cache keeps the enlarged images too.
    """

    def __init__(
        self,
        samples: Sequence[TrainSample | Sample],
        size: Size,
        cache: bool | str | Path = False,
        augmented: bool = True,
    ):
        self.samples, self.size = samples, tuple(size)
        sizes = [self.size, transforms.enlarged(size)] if augmented else [self.size]
        self.cache = resized_images([path for path, _, _ in samples], sizes, cache) if cache else {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        index, seed = key if isinstance(key, tuple) else (key, None)
        drawn = Draw(self.size) if seed is None else transforms.draw(seed, self.size)
        path, pid, camid = self.samples[index]
        if self.cache:
            image = self.cache[drawn.resized][index]
        else:
            image = transforms.resize(to_rgb(path), drawn.resized)
        image = transforms.crop(image, self.size, drawn.top, drawn.left)
        if drawn.flipped:
            image = transforms.flip(image)
        return Item(image, pid, camid, index, drawn.erased)


def collate(items: Sequence[Item]) -> Batch:
    """Items of the data set as one Batch."""
    images, *numbers = zip(*items, strict=True)
    # Stacked in channels-last order, as the images lie in memory, so that each is one copy of bytes.
    stacked = torch.stack([image.permute(1, 2, 0) for image in images]).permute(0, 3, 1, 2)
    return Batch(stacked, *map(torch.tensor, numbers))


def train_loader(
    samples: Sequence[TrainSample | Sample],
    size: Size,
    p: int,
    k: int,
    seed: int,
    workers: int = 0,
    cache: bool | str | Path = False,
    *,
    every_image: bool = False,
    share: tuple[int, int] = (0, 1),
) -> "Loader":
    """Augmented P×K batches, the same for the same seed.

    Call `loader.batch_sampler.set_epoch(epoch)` before each epoch: seed and epoch decide every batch, whatever
    workers and cache are. Close it, as in `with contextlib.closing(train_loader(…)) as loader:`, to end its workers
    when you are done.

    Args:
        samples: (path, label, camid) each.
        size: (height, width) of the images.
        p, k, seed, every_image, share: as in `PKSampler`.
        workers: processes that read images beside this one.
        cache: read and resize every image once, now, into memory (True) or into files in a folder, which other runs
            use too (a path); see `rga.data.cache.resized_images`.

    Raises:
        ValueError: as PKSampler and the cache do, and for an image that cannot be read.
    """
    labels = [label for _, label, _ in samples]
    sampler = PKSampler(labels, p, k, seed, every_image=every_image, share=share)
    return _loader(_LoadedDataset(samples, size, cache), workers, batch_sampler=sampler)


def test_loader(
    samples: Sequence[Sample],
    size: Size,
    batch_size: int = 64,
    workers: int = 0,
    cache: bool | str | Path = False,
) -> "Loader":
    """Every sample once, in order, without augmentation.

    samples: (path, pid, camid) each. size: (height, width) that images are resized to. batch_size: images in a batch.
    workers, cache: as in `train_loader`. Close it as a `train_loader`.
    """
    return _loader(_LoadedDataset(samples, size, cache, augmented=False), workers, batch_size=batch_size)


WORKER_ENDED = (
    "a process that loads images has ended ({}): perhaps the system had no memory left and killed it. Use fewer "
    "workers, or workers=0 (--workers 0)."
)


class Loader(DataLoader):
    """A DataLoader whose workers end with `close()`, or else with this process, whatever error it ends by.

    A worker's ValueError or OSError is raised as without workers, not as the text of a traceback. Raises OSError, too,
    for a worker that was killed, and where shared memory is full.
    """

    def __iter__(self) -> Iterator[Batch]:
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches, None)
            except RuntimeError as error:
                if (said := worker_ended(error)) is None:
                    raise
                raise OSError(said) from error
            except (ConnectionError, EOFError) as error:  # killed while it was handing over a batch
                raise OSError(WORKER_ENDED.format(error)) from error
            if batch is None:
                return
            if isinstance(batch, Exception):
                try:
                    raise batch
                finally:  # an error whose traceback leads to this frame, and back: its workers would live on
                    del batch, batches
            yield batch

    def close(self) -> None:
        """End the worker processes; another epoch starts new ones."""
        if self._iterator is not None:
            self._end()
            self._iterator = None

    def _get_iterator(self):
        iterator = super()._get_iterator()
        if self.num_workers:
            # At exit, before all that workers use: Python ends them by SIGTERM, which they ignore, and waits for them.
            # Bound to the iterator, which owns them: an error's traceback may keep it, but not the loader.
            self._end = util.Finalize(iterator, _end, [weakref.ref(iterator)], exitpriority=100)
        return iterator


def worker_ended(error: Exception) -> str | None:
    """What to say of PyTorch's error for a worker that was killed, which a signal raises anywhere; None for others."""
    if not (isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker (pid")):
        return None
    return WORKER_ENDED.format(str(error).rstrip())


class _LoadedDataset(ReIDDataset):
    """What loaders read: a batch of items, or the error of one as a value, since PyTorch sends a raised one as text."""

    def __getitems__(self, keys: Sequence[int | tuple[int, int]]) -> list[Item] | Exception:
        try:
            return [self[key] for key in keys]
        except (ValueError, OSError) as error:
            return error


def _collate(items: Sequence[Item] | Exception) -> Batch | Exception:
    """A batch; of a worker in shared memory, where the training process finds it without a copy."""
    if isinstance(items, Exception):
        return items
    batch = collate(items)
    if get_worker_info() is not None:
        try:  # PyTorch would do it later, in a thread whose error nobody hears of: the other side waits for ever
            for field in batch:
                field.share_memory_()
        except RuntimeError as error:
            size = sum(field.nbytes for field in batch)
            return OSError(
                f"there is no shared memory for a batch of {size / 2**20:.1f} MiB ({error}): make /dev/shm larger "
                "(docker run --shm-size=2g), or use fewer workers, or workers=0."
            )
    return batch


def _loader(dataset, workers, **batches) -> Loader:
    return Loader(
        dataset,
        **batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=ignore_stop_signals,
        generator=torch.Generator(),  # else each epoch draws a number from the global generator
    )


def ignore_stop_signals(worker: int) -> None:
    """For a process that loads images (DataLoader's `worker_init_fn`): outlive SIGINT and SIGTERM.

    A signal to a whole group of processes, as torchrun and Slurm send it, reaches the training process, which saves a
    checkpoint, and its workers; and PyTorch ends the training process as soon as a worker dies. So signals do nothing
    here; a worker whose training process is gone ends by itself, within seconds.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _end(reference: weakref.ref) -> None:
    """End the workers of a DataLoader's iterator, if it is still there, whatever they do."""
    iterator = reference()
    if iterator is not None:
        iterator._shutdown_workers()
        for worker in iterator._workers:
            worker.kill()
