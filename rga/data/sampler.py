"""P×K batches: P identities with K images each, so that every image has positives and negatives beside it."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Sampler


class PKSampler(Sampler):
    """Batches of p·k pairs (index into `pids`, seed of that draw), the k images of an identity side by side.

    An epoch visits each identity once, in random order. The last identities, fewer than p, are left out if
    `drop_last`, else they are a smaller last batch, of one identity at worst. (CUHK03's 767 identities with
    p = 16 are 47 batches and 15 identities left over.) The k images of an identity differ; if it has fewer
    than k, each is taken as often as the others or once more. Everything follows from (seed, epoch): without
    `set_epoch`, all passes are the same.

    Raises ValueError for p or k below 2, for no pids, and for fewer identities than p.
    """

    def __init__(self, pids: Sequence[int], p: int, k: int, seed: int = 0, drop_last: bool = True):
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
        self.indices = [torch.tensor(group) for group in indices.values()]
        self.p, self.k, self.seed, self.drop_last = p, k, seed, drop_last
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) that the next pass draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.indices), self.p)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        # SeedSequence mixes the two numbers, so that (seed 0, epoch 1) is not (seed 1, epoch 0).
        mixed = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(mixed[0]))
        order = torch.randperm(len(self.indices), generator=generator).split(self.p)
        for identities in order[: len(self)]:
            indices = torch.cat([self._draw(self.indices[i], generator) for i in identities])
            seeds = torch.randint(2**63 - 1, indices.shape, generator=generator)
            yield list(zip(indices.tolist(), seeds.tolist(), strict=True))

    def _draw(self, group: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """k of the images in group; each image once before any is taken again."""
        rounds = math.ceil(self.k / len(group))
        order = torch.cat([torch.randperm(len(group), generator=generator) for _ in range(rounds)])
        return group[order[: self.k]]
