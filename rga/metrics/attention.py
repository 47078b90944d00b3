"""Attention maps against the truth: how much of a map lies on the person or a part, and what deleting its top does.

Maps are (B, h, w) or (B, 1, h, w) of any resolution: tensors or arrays without negative values, such as captured
gates. The truth is one mask for each picture, (H, W) booleans, such as `parts > 0` for the person or
`parts == Part.BAG` for the bag of drawn people; masks may differ in size, as crops do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rga.metrics.inputs import as_ids
from rga.metrics.ranking import Ranking

Arrays = np.ndarray | Tensor | Sequence[np.ndarray | Tensor]


@dataclass(frozen=True)
class MapScore:
    """What maps score on masks, beside what a map that is the same everywhere scores: the masks' share of the area.

    That is the least to beat. People stand in the middle of their pictures, so that a map which favours the middle,
    whatever it sees, has a lift far above 1: score the same maps on masks of other pictures, masks[1:] + masks[:1],
    and read the difference.

    A picture without the part, or whose map is zero everywhere, cannot be scored: its entries are NaN, and no mean
    counts it.
    """

    scores: np.ndarray  # (B,): share of each map on its mask, or chance that its maximum is there
    areas: np.ndarray  # (B,): share of each picture that its mask covers

    @property
    def score(self) -> float:
        return _mean(self.scores)

    @property
    def area(self) -> float:
        return _mean(self.areas)

    @property
    def lift(self) -> float:
        """score / area: 1 for a map that does not look. Of the means, so that no tiny part decides it."""
        return self.score / self.area

    @property
    def num_valid(self) -> int:
        return int(np.isfinite(self.scores).sum())

    def __str__(self) -> str:
        return f"{self.score:.1%} on {self.area:.1%} of the area, lift {self.lift:.2f} (n = {self.num_valid})"


def attention_share(maps: np.ndarray | Tensor, masks: Arrays) -> MapScore:
    """The share of each map that lies on its mask; the map's sum is 1.

    A cell of the map counts by the share of it that the mask covers (`coverage`), as if its value were spread evenly
    over its pixels. So a bag smaller than a cell can never have the whole map: compare stages with care.

    What is added to a map pulls its lift to 1: gates between 0.9 and 1 look like no attention here, rightly, though
    their picture, coloured from lowest to highest, may show the person clearly. For the order of the values alone,
    score the cells with the highest: attention_share(attended_cells(maps, 0.1), masks).

    Raises ValueError for shapes that do not fit, negative values, and masks that are not masks.
    """
    maps, covered = _fit(maps, masks)
    total = maps.sum((1, 2))
    return _score((maps * covered).sum((1, 2)) / np.where(total > 0, total, np.nan), covered)


def pointing_game(maps: np.ndarray | Tensor, masks: Arrays) -> MapScore:
    """The chance that a map's maximum is on its mask (Zhang et al., ECCV 2016, without their margin of 15 pixels).

    The point is drawn from all cells that share the maximum, and within the cell from all its pixels: a hit counts as
    the share of them that the mask covers, and a map that is the same everywhere scores the mask's area. Errors as in
    `attention_share`.
    """
    maps, covered = _fit(maps, masks)
    top = maps.max((1, 2), keepdims=True)
    tied = np.where(top > 0, maps == top, np.nan)
    return _score((tied * covered).sum((1, 2)) / tied.sum((1, 2)), covered)


def detail_share(
    maps: np.ndarray | Tensor, parts: Arrays, details: Sequence[int], families: Sequence[int]
) -> MapScore:
    """People who differ in one thing only: the share of their maps on that thing. One score a family.

    parts: B part maps (H, W). details, families: B integers, the value in the part map that tells the picture's person
    from his doubles, and who they are. Pictures of a family are averaged first, because they are no independent cases.
    Those that do not show the thing are left out: one double may have no bag at all, and no map of his can point at
    it. A lift above 1 does not show that the network tells the doubles apart by that thing, or at all: bags may
    attract it on everybody, so compare `attention_share` on people who have one and no double. Raises ValueError as
    that does, and for lengths that differ.
    """
    details, families = as_ids(details), as_ids(families)
    if not len(parts) == len(details) == len(families):
        raise ValueError(
            "expected a part map, a detail and a family for each map, got "
            f"{len(parts)}, {len(details)} and {len(families)}."
        )
    each = attention_share(
        maps, [np.asarray(part) == detail for part, detail in zip(parts, details, strict=True)]
    )
    members = [families == family for family in dict.fromkeys(families.tolist())]
    return MapScore(*(np.array([_mean(x[of]) for of in members]) for x in (each.scores, each.areas)))


def coverage(masks: Arrays, grid: tuple[int, int]) -> np.ndarray:
    """The share of each cell of a grid (h, w) that a mask covers: B masks (H, W) -> (B, h, w), in 0..1.

    Masks come down to the grid of the map, because a map says nothing of what is within its cells. Where h does not
    divide H, border pixels belong to two cells by their overlap, so that the mean is always the mask's area (the
    windows of adaptive pooling count them twice). Raises ValueError for anything but masks.
    """
    covered = []
    for mask in masks:
        mask = np.asarray(torch.as_tensor(mask).cpu(), dtype=float)
        if mask.ndim != 2 or not mask.size or mask.min() < 0 or mask.max() > 1:
            what = f"values from {mask.min():g} to {mask.max():g}" if mask.size else "nothing"
            raise ValueError(
                f"expected masks (H, W) of booleans, got the shape {mask.shape} with {what}. Of a part map, make one "
                "with parts > 0 or parts == part."
            )
        rows, columns = (_overlap(cells, pixels) for cells, pixels in zip(grid, mask.shape, strict=True))
        covered.append(rows @ mask @ columns.T)
    return np.array(covered)


def attended_cells(maps: np.ndarray | Tensor, share: float, seed: int = 0) -> np.ndarray:
    """The given share of each map's cells, those with the highest values: (B, h, w) booleans.

    The number of cells, round(share * h * w), is the same for all pictures; of equal values chance decides, by the
    seed. Raises ValueError for a share that is no cell or all of them.
    """
    maps = _maps(maps)
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

    keep_shape: the area moves as a whole, round the borders, because scattered cells cut a picture into pieces and so
    do more harm than one hole. False: scattered cells. It may overlap the old area and, unlike that, lie beside the
    person: attention that merely finds people passes this test, too.
    """
    rng, (height, width) = np.random.default_rng(seed), cells.shape[1:]
    if not keep_shape:
        return rng.permuted(cells.reshape(len(cells), -1), axis=1).reshape(cells.shape)
    shifts = (divmod(shift, width) for shift in rng.integers(1, height * width, len(cells)))
    return np.array([np.roll(area, shift, (0, 1)) for area, shift in zip(cells, shifts, strict=True)])


def delete_cells(images: Tensor, cells: np.ndarray, fill: Tensor | None = None) -> Tensor:
    """Images without some cells: (B, 3, H, W) and (B, h, w) booleans -> (B, 3, H, W), a copy.

    fill: what comes in their place, of a shape that broadcasts to images; without it the mean colour of each picture.
    A hole is a picture that no network was trained on, unless by random erasing: try another fill. Raises ValueError
    if the picture is not a whole number of cells high and wide, as their areas would differ.
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
        here, there = _mean(self.attended), _mean(self.elsewhere)
        return f"attended {here:.3f}, elsewhere {there:.3f}, attended matters more in {self.wins:.0%}"


def deletion_effect(
    before: Tensor | Ranking, attended: Tensor | Ranking, elsewhere: Sequence[Tensor | Ranking]
) -> Deletion:
    """How much more it changes to delete the attended area than areas of equal size elsewhere.

    before, attended, elsewhere: what the network says of the pictures as they are, without the attended area, and
    without each of R random areas. Embeddings (B, F): the change is the cosine distance that each moved, 0..2.
    Rankings of the same queries: how much each query's average precision fell, where only queries were deleted from.

        cells = attended_cells(maps, 0.1)
        others = [elsewhere(cells, seed) for seed in range(5)]
        deletion_effect(f(images), f(delete_cells(images, cells)), [f(delete_cells(images, o)) for o in others])

    It shows whether the answer depends on that area, not why, and not that the attention module is what uses it: the
    network sees the area without it as well. Raises ValueError for shapes that differ.
    """
    effects = [_change(before, after) for after in (attended, *elsewhere)]
    return Deletion(effects[0], np.array(effects[1:]))


def _change(before: Tensor | Ranking, after: Tensor | Ranking) -> np.ndarray:
    ranked = isinstance(before, Ranking)
    a, b = (x.average_precision if ranked else x for x in (before, after))
    if a.shape != b.shape or a.ndim != (1 if ranked else 2):
        what = "rankings of the same queries" if ranked else "embeddings (B, F) of the same pictures"
        raise ValueError(f"expected {what}, got {tuple(a.shape)} before and {tuple(b.shape)} after.")
    if ranked:
        return a - b
    return (1 - F.cosine_similarity(a.double(), b.double())).cpu().numpy()


def _maps(maps: np.ndarray | Tensor) -> np.ndarray:
    """(B, h, w) or (B, 1, h, w) -> (B, h, w) float64."""
    array = torch.as_tensor(maps).detach().double().cpu().numpy()
    array = array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array
    if array.ndim != 3 or not array.size:
        raise ValueError(f"expected maps (B, h, w) or (B, 1, h, w), at least one, got {array.shape}.")
    if not (array >= 0).all() or np.isinf(array).any():
        raise ValueError(
            f"expected maps of finite values from 0 up, got {array.min():g} to {array.max():g}: "
            "take gates rather than their logits, and the positive part of a Grad-CAM."
        )
    return array


def _fit(maps: np.ndarray | Tensor, masks: Arrays) -> tuple[np.ndarray, np.ndarray]:
    maps = _maps(maps)
    covered = coverage(masks, maps.shape[1:])
    if len(covered) != len(maps):
        raise ValueError(f"expected one mask (H, W) for each map, got {len(covered)} for {len(maps)} maps.")
    return maps, covered


def _score(scores: np.ndarray, covered: np.ndarray) -> MapScore:
    areas = covered.mean((1, 2))
    unknown = np.isnan(scores) | (areas == 0)
    return MapScore(*(np.where(unknown, np.nan, x) for x in (scores, areas)))


def _mean(values: np.ndarray) -> float:
    """Of those that are numbers, NaN if none is."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")


def _overlap(cells: int, pixels: int) -> np.ndarray:
    """(cells, pixels): the share of each cell that each pixel fills, along one side of a picture."""
    edges, pixel = np.arange(cells + 1) * pixels / cells, np.arange(pixels)
    inside = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return inside.clip(0) * cells / pixels
