"""P×K batches: P identities with K images each, so that every image has positives and negatives beside it."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Sampler

__all__ = ["PKSampler"]


class PKSampler(Sampler):
    """Batches of p·k pairs (index into `pids`, seed of that draw), the k images of an identity side by side.

    The k images of an identity differ; if it has fewer than k, each is taken as often as the others or once more.
    Everything follows from (seed, epoch): without `set_epoch`, all passes are the same.

    Args:
        pids: the identity of each image (in training, its label).
        p: identities a batch.
        k: images of each.
        seed: of all epochs.
        drop_last: leave out the last identities of an epoch, fewer than p (CUHK03's 767 with p = 16 are 47 batches and
            15 left over); else they are a smaller last batch, of one identity at worst.
        every_image: False, an epoch visits each identity once, in random order (the paper's epoch: k of an identity's
            images, whatever their number). True, it holds every image at least once, and an identity as often as its
            images need; batches are filled with images seen already where too few identities have others left.
        share: (part, parts), the part of every batch that one of several processes gets: p/parts whole identities. All
            parts together are the batches of one process, with the same draws.

    Raises:
        ValueError: p or k below 2, no pids, fewer identities than p, or a p that cannot be shared.
    """

    def __init__(
        self,
        pids: Sequence[int],
        p: int,
        k: int,
        seed: int = 0,
        drop_last: bool = True,
        every_image: bool = False,
        share: tuple[int, int] = (0, 1),
    ):
        if p < 2 or k < 2:
            raise ValueError(
                f"{'K' if k < 2 else 'P'} > 1 violated: batches of p={p} identities with k={k} images each. "
                "The batch-hard triplet compares every image with another of its identity and with one of a "
                "different identity, so p and k must be at least 2. The paper takes p=16, k=4."
            )
        indices: dict[int, list[int]] = {}
        for index, pid in enumerate(pids):
            indices.setdefault(int(pid), []).append(index)
        if len(indices) < p:
            raise ValueError(
                f"Batches need p={p} identities, the training set has {len(indices)} ({len(pids)} images): "
                "choose a smaller p, or print the data set to see whether it was read from the right place."
            )
        part, parts = share
        if p % parts or p // parts < 2 or not (drop_last or every_image or parts == 1):
            raise ValueError(
                f"{parts} processes share batches of p={p} identities: expected the same number of at least 2 for "
                f"each, got {p / parts:g}. Choose p as a multiple of {parts}, {2 * parts} or more."
            )
        self.indices = [torch.tensor(group) for group in indices.values()]
        self.p, self.k, self.seed, self.drop_last, self.every_image = p, k, seed, drop_last, every_image
        self.mine = slice(part * p // parts * k, (part + 1) * p // parts * k)
        self.epoch = self.start = 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch (from 0) that the next pass draws, and the batch (from 0) that it begins with."""
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        if self.every_image:
            visits = [math.ceil(len(group) / self.k) for group in self.indices]
            return max(math.ceil(sum(visits) / self.p), max(visits))  # an identity is in a batch once
        whole, rest = divmod(len(self.indices), self.p)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        # SeedSequence mixes the two numbers, so that (seed 0, epoch 1) is not (seed 1, epoch 0).
        mixed = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(mixed[0]))
        batches = self._all_images(generator) if self.every_image else self._all_identities(generator)
        for number, indices in enumerate(batches):
            seeds = torch.randint(2**63 - 1, indices.shape, generator=generator)
            if number >= self.start:
                yield list(zip(indices[self.mine].tolist(), seeds[self.mine].tolist(), strict=True))

    def _all_identities(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        order = torch.randperm(len(self.indices), generator=generator).split(self.p)
        for identities in order[: len(self)]:
            yield torch.cat([self._draw(self.indices[i], generator) for i in identities])

    def _all_images(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """Batch after batch the p identities with the most images to come, so that none is left with too many."""
        to_come = []
        for group in self.indices:
            shuffled = group[torch.randperm(len(group), generator=generator)]
            short = -len(group) % self.k  # the last visit is filled up with images of earlier ones
            filled = torch.cat([shuffled, shuffled.repeat(self.k)[:short]])
            to_come.append(list(filled.split(self.k)))
        batches = []
        while any(to_come):
            left = torch.tensor([len(visits) for visits in to_come])
            most = (left + torch.rand(len(left), generator=generator)).topk(self.p).indices  # ties at random
            visits = [
                to_come[i].pop() if to_come[i] else self._draw(self.indices[i], generator) for i in most
            ]
            batches.append(torch.cat(visits))
        for number in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[number]

    def _draw(self, group: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """k of the images in group; each image once before any is taken again."""
        rounds = math.ceil(self.k / len(group))
        order = torch.cat([torch.randperm(len(group), generator=generator) for _ in range(rounds)])
        return group[order[: self.k]]
