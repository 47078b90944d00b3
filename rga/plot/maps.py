"""Figures of where a network looks: gates, relations of positions, Grad-CAM.

Images are uint8 or floats in 0..1, maps are tensors or arrays of any resolution, positions are (row, column) on the
grid of a map, counted from 0. Colours of `attention` and `failures` start at a map's lowest value, those of the others
at 0: half a relation is half as bright.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from rga.plot.people import ROLES
from rga.plot.style import (
    GREY,
    HEAT,
    PANEL,
    WIDTH,
    as_array,
    as_maps,
    caption,
    frame,
    name_rows,
    rgb,
    sheet,
    show_people,
    where,
)

Position = tuple[int, int]
LARGE = 1.4 * PANEL  # inches: one person of a few


def attention(
    images,
    maps: Mapping[str, object],
    titles: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    columns: int = 2,
    title: str = "Where the spatial gates open",
) -> Figure:
    """Each person beside the maps of each stage, laid over the grey image without interpolation.

    Args:
        images: (B, 3, H, W), see `images`.
        maps: {stage: (B, h, w) or (B, 1, h, w)}.
        titles: one for each person.
        limits: the values of the darkest and the brightest colour; without it each map spans the colours from its
            own lowest to its own highest value, and these two stand below it.
        columns: people side by side.
        title: of the figure.

    Raises:
        ValueError: for maps of other people, or none.
    """
    if not maps:
        raise ValueError("attention needs the maps of at least one stage, got none.")
    people = rgb(images)
    stages = {name: as_maps(name, values, len(people)) for name, values in maps.items()}
    columns = min(columns, len(people))
    rows = math.ceil(len(people) / columns)
    wide = len(stages) + 1
    ratios = ([1] * wide + [0.25]) * columns
    aspect = people.shape[1] / people.shape[2]
    panel = min(WIDTH / sum(ratios), PANEL)
    figure = sheet(panel * sum(ratios) + 1.3, rows * (panel * aspect + 0.42) + 0.9)
    grid = figure.subplots(rows, len(ratios), squeeze=False, width_ratios=ratios)
    for ax in grid.flat:
        ax.set_axis_off()
    for i, person in enumerate(people):
        row = grid[i // columns, (i % columns) * (wide + 1) :]
        row[0].imshow(person)
        row[0].set_title(titles[i] if titles else "image", fontsize=9)
        extent = (-0.5, person.shape[1] - 0.5, person.shape[0] - 0.5, -0.5)
        for ax, (name, values) in zip(row[1:], stages.items(), strict=False):
            low, high = limits or (values[i].min(), values[i].max())
            ax.imshow(person.mean(2) / 255, cmap="gray", vmin=0, vmax=1)
            shown = ax.imshow(
                (values[i] - low) / max(high - low, 1e-12),
                cmap=HEAT, vmin=0, vmax=1, alpha=0.65, extent=extent, interpolation="nearest",
            )  # fmt: skip
            ax.set_title(name, fontsize=9)
            digits = 2 if np.ptp(values[i]) >= 0.1 else 3
            text = f"{values[i].min():.{digits}f}–{values[i].max():.{digits}f}"
            ax.text(0.5, -0.02, text, transform=ax.transAxes, fontsize=7, ha="center", va="top", color=GREY)
    bar = figure.colorbar(shown, ax=grid, fraction=0.015, pad=0.01, ticks=[0, 1])
    bar.ax.set_yticklabels([f"{limit:g}" for limit in limits] if limits else ["lowest", "highest"])
    bar.solids.set_alpha(1)
    scale = "one colour scale for all maps" if limits else "colours span each map's own range, stated below"
    figure.suptitle(f"{title}\n{scale}", fontsize=10)
    return figure


def failures(
    queries,
    wrong,
    right,
    maps: Mapping[str, tuple[object, object]],
    titles: Sequence[str] | None = None,
    title: str = "Queries that found somebody else first",
) -> Figure:
    """A row a query: the wrong image with its maps, beside the right one with the same maps.

    Args:
        queries, wrong, right: (B, 3, H, W), see `images`.
        maps: {name: (of the wrong, of the right)}, (B, h, w) or (B, 1, h, w) each.
        titles: one for each query, below it.
        title: of the figure.

    Raises:
        ValueError: for anything else.
    """
    people = [rgb(pictures) for pictures in (queries, wrong, right)]
    count, aspect = len(people[0]), people[0].shape[1] / people[0].shape[2]
    if any(len(pictures) != count for pictures in people):
        raise ValueError(f"expected {count} of each, got {[len(pictures) for pictures in people]} images.")
    maps = {name: [as_maps(name, values, count) for values in both] for name, both in maps.items()}
    ratios = [1] + ([0.25] + [1] * (1 + len(maps))) * 2
    panel = min((WIDTH - 1.3) / sum(ratios), PANEL)
    figure = sheet(panel * sum(ratios) + 1.3, count * (panel * aspect + 0.25) + 0.9)
    grid = figure.subplots(count, len(ratios), squeeze=False, width_ratios=ratios)
    for ax in grid.flat:
        ax.set_axis_off()
    for i, row in enumerate(grid):
        row[0].imshow(people[0][i])
        frame(row[0], "black", "solid", 1)
        row[0].set_xlabel(titles[i] if titles else "query", fontsize=8)
        for side, role in enumerate(("stranger", "match")):
            image, *panels = row[2 + side * (2 + len(maps)) :][: 1 + len(maps)]
            colour, line, mark = ROLES[role]
            person = people[1 + side][i]
            image.imshow(person)
            frame(image, colour, line, 3)
            image.set_xlabel(f"{mark} {('found', 'missed')[side]}", fontsize=8, color=colour)
            for ax, (name, both) in zip(panels, maps.items(), strict=True):
                shown = _overlay(ax, person, both[side][i], low=both[side][i].min())
                ax.set_title(name if i == 0 else "", fontsize=8)
    if maps:
        _bar(figure, grid, shown, "lowest")
    caption(
        figure, title, "✗ first, but another person · ✓ the first right one · colours: each map's own range"
    )
    return figure


def node(row: int, column: int, size: tuple[int, int]) -> int:
    """The number of the node at a position of a grid (height, width), counted row by row. ValueError outside."""
    if not (0 <= row < size[0] and 0 <= column < size[1]):
        raise ValueError(
            f"({row}, {column}) is not on a grid of {size[0]} × {size[1]}: rows are 0 to {size[0] - 1}, "
            f"columns 0 to {size[1] - 1}."
        )
    return row * size[1] + column


def position(node: int, size: tuple[int, int]) -> Position:
    """The (row, column) of a node on a grid (height, width). ValueError outside."""
    nodes = size[0] * size[1]
    if not 0 <= node < nodes:
        raise ValueError(
            f"{node} is not a node of a grid of {size[0]} × {size[1]}: they are 0 to {nodes - 1}."
        )
    return divmod(node, size[1])


def relation_maps(
    relation, size: tuple[int, int], positions: Sequence[Position], into: bool = False
) -> np.ndarray:
    """Some relations of one image as maps: (N, N), N = h · w -> (T, h, w), one for each of T positions.

    relation: (N, N). size: (h, w). positions: (row, column) each. Map t holds r(i, j) at j, where i is the node at
    positions[t]: row i of the matrix; into: r(j, i), column i. ValueError for relations of another size and positions
    off the grid.
    """
    matrix, nodes = as_array(relation), size[0] * size[1]
    if matrix.shape != (nodes, nodes):
        raise ValueError(
            f"expected the relations of one image, ({nodes}, {nodes}) on a grid of {size[0]} × {size[1]}, "
            f"got {matrix.shape}."
        )
    chosen = [node(*at, size) for at in positions]
    return (matrix.T if into else matrix)[chosen].reshape(-1, *size)


def difference(maps) -> float:
    """How different maps (T, h, w) are, T >= 2: the mean cosine distance between two of them.

    For maps >= 0: 0 if they are multiples of one another, 1 if no two share a position. What all maps have in common,
    such as a constant, makes them alike, as it does what a module makes of them. A map of zeros shares nothing.
    """
    rows = as_array(maps).reshape(len(maps), -1)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-30)
    return float(1 - (rows @ rows.T)[np.triu_indices(len(rows), 1)].mean())


def relations(image, relation, size: tuple[int, int], positions: Sequence[Position], stage: str) -> Figure:
    """The relations of some positions of one image: a column each; the position, its row of R, its column of R.

    image: (3, H, W). relation, size, positions, errors: as in `relation_maps`. stage: for the title.
    """
    if len(positions) == 0:
        raise ValueError("relations needs at least one position (row, column), got none.")
    person = rgb(image[None])[0]
    figure, grid = _grid(
        ["image", "row of i\nr(i, j) at j", "column of i\nr(j, i) at j"], len(positions), person, LARGE
    )
    show_people(grid[0], [person] * len(positions), [_name(at, size) for at in positions])
    for row, into in zip(grid[1:], (False, True), strict=True):
        for ax, values in zip(row, relation_maps(relation, size, positions, into), strict=True):
            shown = _overlay(ax, person, values)
    _rings(grid, positions, size, person)
    _bar(figure, grid[1:], shown)
    caption(
        figure,
        f"Relations of positions i · {where(stage, size, person)}",
        "colours: from 0 to each map's own highest value; its range stands below it",
    )
    return figure


def targets(image, methods: Mapping[str, object], positions: Sequence[Position], stage: str) -> Figure:
    """Whom the same few positions relate to, by several methods (the paper's figure 4): a row each.

    image: (3, H, W). methods: {name: (T, h, w)}, see `relation_maps`, on one grid. positions: T >= 2 of that grid.
    stage: for the title. Beside each method stands the `difference` of its maps. Raises ValueError for anything else.
    """
    maps = {name: as_maps(name, values, len(positions)) for name, values in methods.items()}
    sizes = {values.shape[1:] for values in maps.values()}
    if len(sizes) != 1 or len(positions) < 2:
        grids = ", ".join(f"{name} {values.shape[1:]}" for name, values in maps.items())
        raise ValueError(
            f"expected maps on one grid and at least 2 positions, got {grids or 'none'} and {len(positions)}."
        )
    (size,) = sizes
    person = rgb(image[None])[0]
    labels = [f"{name}\ndifference {difference(values):.2f}" for name, values in maps.items()]
    figure, grid = _grid(["image", *labels], len(positions), person, LARGE)
    show_people(grid[0], [person] * len(positions), [_name(at, size) for at in positions])
    for row, values in zip(grid[1:], maps.values(), strict=True):
        for ax, each in zip(row, values, strict=True):
            shown = _overlay(ax, person, each)
    _rings(grid, positions, size, person)
    _bar(figure, grid[1:], shown)
    caption(
        figure,
        f"Whom {len(positions)} positions relate to · {where(stage, size, person)}",
        "colours: from 0 to each map's own highest value; difference: mean cosine distance of a row's maps",
    )
    return figure


def grad_cams(
    images,
    models: Mapping[str, object],
    stage: str,
    score: str,
    others=None,
    titles: Sequence[str] | None = None,
) -> Figure:
    """What raises a score, by several networks (the paper's figure 5): a column each person, a row each network.

    Args:
        images: (B, 3, H, W).
        models: {name: (B, h, w)} of `rga.models.gradcam.grad_cam`; h and w of the first stand in the title.
        stage: for the title.
        score: for the title.
        others: (B, 3, H, W), what the images are compared with, if the score is a similarity.
        titles: one for each person.

    Raises:
        ValueError: for maps of other people, or none.
    """
    if not models:
        raise ValueError("grad_cams needs the maps of at least one network, got none.")
    people = rgb(images)
    maps = {name: as_maps(name, values, len(people)) for name, values in models.items()}
    pictures = {"image": people} | ({} if others is None else {"compared with": rgb(others)})
    figure, grid = _grid([*pictures, *maps], len(people), people[0], PANEL)
    for row, persons in zip(grid, pictures.values(), strict=False):
        show_people(row, persons)
    for ax, title in zip(grid[0], titles or (), strict=False):
        ax.set_title(title, fontsize=8)
    grid = grid[len(pictures) :]
    for row, values in zip(grid, maps.values(), strict=True):
        for ax, person, each in zip(row, people, values, strict=True):
            shown = _overlay(ax, person, each, stated=False)
    _bar(figure, grid, shown)
    caption(
        figure,
        f"Grad-CAM: what raises {score} · {where(stage, next(iter(maps.values())).shape[1:], people[0])}",
        "colours: from 0, where nothing raises it, to each map's own highest value",
    )
    return figure


def _grid(labels: Sequence[str], columns: int, person: np.ndarray, panel: float):
    """A figure with a row of panels, at most that many inches wide, for each label; the panels (rows, columns)."""
    words = 0.075 * max(len(line) for label in labels for line in label.split("\n")) + 0.15
    panel = min((WIDTH - words - 0.8) / columns, panel)
    height = len(labels) * (panel * person.shape[0] / person.shape[1] + 0.15) + 0.7
    figure = sheet(words + panel * columns + 0.8, height)
    grid = figure.subplots(
        len(labels), columns + 1, squeeze=False, width_ratios=[words / panel] + [1] * columns
    )
    name_rows(grid[:, 0], labels)
    return figure, grid[:, 1:]


def _overlay(ax, person: np.ndarray, values: np.ndarray, stated: bool = True, low: float = 0.0):
    """A map over the grey person, coloured from `low` to its highest value; returns what `_bar` needs."""
    ax.set_axis_off()
    ax.imshow(person.mean(2) / 255, cmap="gray", vmin=0, vmax=1)
    if stated:
        text = f"{values.min():.2g}–{values.max():.2g}"
        ax.text(0.5, -0.02, text, transform=ax.transAxes, fontsize=7, ha="center", va="top", color=GREY)
    return ax.imshow(
        (values - low) / max(values.max() - low, 1e-30),
        cmap=HEAT, vmin=0, vmax=1, alpha=0.65, interpolation="nearest",
        extent=(-0.5, person.shape[1] - 0.5, person.shape[0] - 0.5, -0.5),
    )  # fmt: skip


def _rings(grid, positions: Sequence[Position], size: tuple[int, int], person: np.ndarray) -> None:
    """Mark a position in each column: white on black, to be seen on anything."""
    for axes, at in zip(grid.T, positions, strict=True):
        y, x = ((i + 0.5) * n / cells - 0.5 for i, n, cells in zip(at, person.shape, size, strict=False))
        for ax in axes:
            (ring,) = ax.plot(x, y, "o", markersize=9, markerfacecolor="none", markeredgecolor="white")
            ring.set_path_effects([withStroke(linewidth=3.5, foreground="black")])


def _bar(figure: Figure, grid, shown, low: str = "0") -> None:
    bar = figure.colorbar(shown, ax=grid, fraction=0.03, pad=0.02, ticks=[0, 1], shrink=0.6)
    bar.ax.set_yticklabels([low, "highest"], fontsize=8)
    bar.solids.set_alpha(1)


def _name(at: Position, size: tuple[int, int]) -> str:
    return f"i = {node(*at, size)}\n{at}"
