"""Deletion test: does the attended area matter to the network more than areas of equal size elsewhere?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rga.metrics.attention import check_maps, finite_mean
from rga.metrics.ranking import Ranking


def attended_cells(maps: np.ndarray | Tensor, share: float, seed: int = 0) -> np.ndarray:
    """The given share of each map's cells, those with the highest values: (B, h, w) -> (B, h, w) booleans.

    The number of cells, round(share * h * w), is the same for all images; ties are broken at random, by the seed.
    Raises ValueError for a share that is no cell or all of them.
    """
    maps = check_maps(maps)
    count, cells = round(share * maps[0].size), maps[0].size
    if not 0 < count < cells:
        raise ValueError(f"a share of {share:g} is {count} of {cells} cells: expected some but not all.")
    flat = maps.reshape(len(maps), cells)
    order = np.lexsort((np.random.default_rng(seed).random(flat.shape), -flat))
    chosen = np.zeros(flat.shape, dtype=bool)
    np.put_along_axis(chosen, order[:, :count], True, axis=1)
    return chosen.reshape(maps.shape)


def elsewhere(cells: np.ndarray, seed: int, keep_shape: bool = True) -> np.ndarray:
    """As many cells at random: (B, h, w) booleans -> same, the control of a deletion test.

    keep_shape: the area is shifted as a whole, wrapping round the borders, because scattered cells cut an image into
    pieces and so do more harm than one hole. False: scattered cells. It may overlap the old area and, unlike that,
    lie beside the person: attention that merely finds people passes this test, too.
    """
    rng, (height, width) = np.random.default_rng(seed), cells.shape[1:]
    if not keep_shape:
        return rng.permuted(cells.reshape(len(cells), -1), axis=1).reshape(cells.shape)
    shifts = (divmod(shift, width) for shift in rng.integers(1, height * width, len(cells)))
    return np.array([np.roll(area, shift, (0, 1)) for area, shift in zip(cells, shifts, strict=True)])


def delete_cells(images: Tensor, cells: np.ndarray, fill: Tensor | None = None) -> Tensor:
    """Images without some cells: (B, 3, H, W) and (B, h, w) booleans -> (B, 3, H, W), a copy.

    fill: what comes in their place, of a shape that broadcasts to images; without it the mean colour of each image.
    An image with a hole is out of distribution, unless the network was trained with random erasing: try another fill.
    Raises ValueError if h does not divide H or w does not divide W, as the cells' areas would differ.
    """
    batch, _, height, width = images.shape
    fits = cells.dtype == bool and cells.ndim == 3 and len(cells) == batch
    if not fits or height % cells.shape[1] or width % cells.shape[2]:
        raise ValueError(
            f"expected booleans ({batch}, h, w) where h divides {height} and w divides {width}, "
            f"got {cells.dtype} {cells.shape}."
        )
    holes = torch.as_tensor(cells, device=images.device).repeat_interleave(height // cells.shape[1], 1)
    holes = holes.repeat_interleave(width // cells.shape[2], 2)[:, None]
    if fill is None:
        fill = images.float().mean((2, 3), keepdim=True).to(images.dtype)
    return torch.where(holes, fill, images)


@dataclass(frozen=True)
class Deletion:
    """What deleting the attended area changes, beside areas of equal size elsewhere; NaN where it cannot be told."""

    attended: np.ndarray  # (B,)
    elsewhere: np.ndarray  # (R, B): of R random draws

    @property
    def wins(self) -> float:
        """How often the attended area matters more than a random one, ties half: 0.5 if attention does not matter."""
        valid = np.isfinite(self.attended)
        difference = (self.attended - self.elsewhere)[:, valid]
        return float(((difference > 0) + 0.5 * (difference == 0)).mean())

    def __str__(self) -> str:
        here, there = finite_mean(self.attended), finite_mean(self.elsewhere)
        return f"attended {here:.3f}, elsewhere {there:.3f}, attended matters more in {self.wins:.0%}"


def deletion_effect(
    before: Tensor | Ranking, attended: Tensor | Ranking, elsewhere: Sequence[Tensor | Ranking]
) -> Deletion:
    """How much more it changes to delete the attended area than areas of equal size elsewhere.

    before, attended, elsewhere: what the network outputs for the images as they are, without the attended area, and
    without each of R random areas. Embeddings (B, F): the change is the cosine distance that each moved, 0..2.
    Rankings of the same queries: how much each query's average precision fell, where only queries were deleted from.

        cells = attended_cells(maps, 0.1)
        others = [elsewhere(cells, seed) for seed in range(5)]
        deletion_effect(f(images), f(delete_cells(images, cells)), [f(delete_cells(images, o)) for o in others])

    It shows whether the output depends on that area, not why, and not that the attention module is what uses it: the
    network sees the area without it as well. Raises ValueError for shapes that differ.
    """
    effects = [_change(before, after) for after in (attended, *elsewhere)]
    return Deletion(effects[0], np.array(effects[1:]))


def _change(before: Tensor | Ranking, after: Tensor | Ranking) -> np.ndarray:
    ranked = isinstance(before, Ranking)
    a, b = (x.average_precision if ranked else x for x in (before, after))
    if a.shape != b.shape or a.ndim != (1 if ranked else 2):
        what = "rankings of the same queries" if ranked else "embeddings (B, F) of the same images"
        raise ValueError(f"expected {what}, got {tuple(a.shape)} before and {tuple(b.shape)} after.")
    if ranked:
        return a - b
    return (1 - F.cosine_similarity(a.double(), b.double())).cpu().numpy()
