"""Attention maps against ground-truth masks: how much of a map lies on the person, or on a part of them?

Maps are (B, h, w) or (B, 1, h, w) of any resolution: tensors or arrays without negative values, such as captured
gates. The ground truth is one mask per image, (H, W) booleans, such as `parts > 0` for the person or
`parts == Part.BAG` for the bag of drawn people; masks may differ in size, as crops do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rga.metrics.inputs import as_ids

Arrays = np.ndarray | Tensor | Sequence[np.ndarray | Tensor]


@dataclass(frozen=True)
class MapScore:
    """What maps score on masks, beside the baseline: what a uniform map scores, the masks' share of the area.

    A map with a centre bias, whatever it sees, has a lift far above 1, because people stand in the middle of their
    images: score the same maps on masks of other people, [masks[i] for i in next_person(pids)], and compare.

    An image without the part, or whose map is zero everywhere, cannot be scored: its entries are NaN, and no mean
    counts it.
    """

    scores: np.ndarray  # (B,): share of each map on its mask, or chance that its maximum is there
    areas: np.ndarray  # (B,): share of each image that its mask covers

    @property
    def score(self) -> float:
        """The mean of the scores."""
        return finite_mean(self.scores)

    @property
    def area(self) -> float:
        """The mean of the masks' shares of the area: what a uniform map scores."""
        return finite_mean(self.areas)

    @property
    def lift(self) -> float:
        """score / area: 1 for a uniform map. A ratio of means, so that no tiny part decides it."""
        return self.score / self.area

    @property
    def num_valid(self) -> int:
        """How many images could be scored."""
        return int(np.isfinite(self.scores).sum())

    def __str__(self) -> str:
        return f"{self.score:.1%} on {self.area:.1%} of the area, lift {self.lift:.2f} (n = {self.num_valid})"


def next_person(pids: Sequence[int]) -> list[int]:
    """For each image the next one, in a circle, of another person. Raises ValueError where there is one person only."""
    pids = [int(pid) for pid in pids]
    if len(set(pids)) < 2:
        raise ValueError("expected images of two people at least, got one person's: there is no other.")
    following = range(1, len(pids))
    places = [[(i + step) % len(pids) for step in following] for i in range(len(pids))]
    return [next(j for j in after if pids[j] != pids[i]) for i, after in enumerate(places)]


def attention_share(maps: np.ndarray | Tensor, masks: Arrays) -> MapScore:
    """The share of each map that lies on its mask; the map's sum is 1.

    maps: (B, h, w) or (B, 1, h, w), of any resolution. masks: B masks (H, W) of booleans.

    A cell of the map counts by the share of it that the mask covers (`coverage`), as if its value were spread evenly
    over its pixels. So a bag smaller than a cell can never have the whole map: compare stages with care.

    A constant offset pulls the lift to 1: gates between 0.9 and 1 score like no attention, rightly, though their
    heatmap, coloured from lowest to highest, may show the person clearly. For the order of the values alone, score
    the highest cells: attention_share(attended_cells(maps, 0.1), masks).

    Raises ValueError for shapes that do not fit, negative values, and masks that are not masks.
    """
    maps, covered = _fit(maps, masks)
    total = maps.sum((1, 2))
    return _score((maps * covered).sum((1, 2)) / np.where(total > 0, total, np.nan), covered)


def pointing_game(maps: np.ndarray | Tensor, masks: Arrays) -> MapScore:
    """The chance that a map's maximum is on its mask (Zhang et al., ECCV 2016, without their margin of 15 pixels).

    maps: (B, h, w) or (B, 1, h, w), of any resolution. masks: B masks (H, W) of booleans.

    The point is drawn from all cells that share the maximum, and within the cell from all its pixels: a hit counts as
    the share of them that the mask covers, and a uniform map scores the mask's area. Raises ValueError as
    `attention_share` does.
    """
    maps, covered = _fit(maps, masks)
    top = maps.max((1, 2), keepdims=True)
    tied = np.where(top > 0, maps == top, np.nan)
    return _score((tied * covered).sum((1, 2)) / tied.sum((1, 2)), covered)


def detail_share(
    maps: np.ndarray | Tensor, parts: Arrays, details: Sequence[int], families: Sequence[int]
) -> MapScore:
    """Lookalikes who differ in one detail only: the share of their maps on that detail, one score per family.

    parts: B part maps (H, W). details, families: B integers, the value in the part map that tells the image's person
    from their lookalikes, and the group of lookalikes. Images of a family are averaged first, because they are not
    independent. Those that do not show the detail are left out: one lookalike may have no bag at all. A lift above 1
    does not show that the network uses the detail: bags may attract it on everybody, so compare `attention_share` on
    people who have one and no lookalike. Raises ValueError as that does, and for lengths that differ.
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
    return MapScore(*(np.array([finite_mean(x[of]) for of in members]) for x in (each.scores, each.areas)))


def coverage(masks: Arrays, grid: tuple[int, int]) -> np.ndarray:
    """The share of each cell of a grid (h, w) that a mask covers: B masks (H, W) -> (B, h, w), in 0..1.

    Masks are downsampled to the map's grid, because a map says nothing of what is within its cells. Where h does not
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


def check_maps(maps: np.ndarray | Tensor) -> np.ndarray:
    """(B, h, w) or (B, 1, h, w) -> (B, h, w) float64; ValueError for anything but maps from 0 up."""
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
    maps = check_maps(maps)
    covered = coverage(masks, maps.shape[1:])
    if len(covered) != len(maps):
        raise ValueError(f"expected one mask (H, W) for each map, got {len(covered)} for {len(maps)} maps.")
    return maps, covered


def _score(scores: np.ndarray, covered: np.ndarray) -> MapScore:
    areas = covered.mean((1, 2))
    unknown = np.isnan(scores) | (areas == 0)
    return MapScore(*(np.where(unknown, np.nan, x) for x in (scores, areas)))


def finite_mean(values: np.ndarray) -> float:
    """Mean of the finite values; NaN if there is none."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")


def _overlap(cells: int, pixels: int) -> np.ndarray:
    """(cells, pixels): the share of each cell that each pixel fills, along one side of an image."""
    edges, pixel = np.arange(cells + 1) * pixels / cells, np.arange(pixels)
    inside = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return inside.clip(0) * cells / pixels
