"""Figures from arrays: training curves, attention maps, ranked lists, CMC curves, contact sheets, histograms.

Every function returns a Figure that pyplot does not know of: a cell that ends with it shows it once, and
nothing has to be closed. Colours are Okabe and Ito's, told apart by colour-blind readers too; what matters
is also told by a mark or a line style.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure

BLUE, GREEN, VERMILION = "#0072B2", "#009E73", "#D55E00"
ORANGE, PURPLE, GREY = "#E69F00", "#CC79A7", "#777777"
HEAT = colormaps["inferno"].resampled(12)  # steps: a value can be read off, and the picture stays small
WIDTH = 10  # inches: a JupyterLab cell
PANEL = 0.67  # inches: one person, the pixels of a 128 × 64 crop, which keeps a notebook small
DPI = 96
ROLES = {  # of a gallery image for one query: colour, line and mark
    "match": (GREEN, "solid", "✓"),
    "stranger": (VERMILION, (0, (2, 1)), "✗"),
    "distractor": (PURPLE, "dashdot", "✗"),
    "junk": (GREY, "dotted", "–"),
}


def curves(logs: Sequence) -> Figure:
    """The three losses and the learning rate over a training run.

    logs: what `rga.fit` yielded, one for a step, with step, steps, epochs, loss, identity, triplet and lr.
    """
    if not logs:
        raise ValueError(
            "curves needs at least one log: collect what rga.fit yields, logs = list(rga.fit(...))."
        )
    epoch = np.array([log.step * log.epochs / log.steps for log in logs])
    each = np.ceil(epoch - 1e-9)
    figure = Figure(figsize=(WIDTH, 4.6), dpi=DPI, layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    titles = {
        "loss": "loss = identity + triplet",
        "identity": "identity loss (cross-entropy)",
        "triplet": "triplet loss (batch-hard)",
        "lr": "learning rate",
    }
    for ax, (name, title) in zip(panels.flat, titles.items(), strict=True):
        values = np.array([getattr(log, name) for log in logs])
        _panel(ax, title)
        if name == "lr":
            ax.plot(epoch, values, color=BLUE)
        else:
            ax.plot(epoch, values, color=BLUE, alpha=0.35, linewidth=1, label="each step")
            ends = np.unique(each)
            means = [values[each == end].mean() for end in ends]
            mark = "o" if len(ends) <= 60 else None
            ax.plot(ends - 0.5, means, color=VERMILION, marker=mark, markersize=4, label="mean of an epoch")
        ax.set_ylim(bottom=0)
    panels[0, 0].legend(frameon=False)
    for ax in panels[1]:
        ax.set_xlabel("epoch")
    return figure


def attention(
    images,
    maps: Mapping[str, object],
    titles: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    columns: int = 2,
    title: str = "Where the spatial gates open",
) -> Figure:
    """Each person beside the maps of each stage, laid over the grey image as the grid that they are.

    images: (B, 3, H, W), see `images`. maps: {stage: (B, h, w) or (B, 1, h, w)}. titles: one for each person.
    limits: the values of the darkest and the brightest colour; without it each map spans the colours from its
    own lowest to its own highest value, and these two stand below it. columns: people side by side.
    """
    people = _rgb(images)
    stages = {name: _maps(name, values, len(people)) for name, values in maps.items()}
    columns = min(columns, len(people))
    rows = math.ceil(len(people) / columns)
    wide = len(stages) + 1
    ratios = ([1] * wide + [0.25]) * columns
    aspect = people.shape[1] / people.shape[2]
    panel = min(WIDTH / sum(ratios), PANEL)
    figure = _sheet(panel * sum(ratios) + 1.3, rows * (panel * aspect + 0.42) + 0.9)
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


def ranked_lists(
    query_images,
    gallery_images,
    correct,
    distances=None,
    titles: Sequence[str] | None = None,
    title: str = "Nearest gallery images of each query, nearest first",
) -> Figure:
    """One row a query, then its nearest gallery images: the right framed solid ✓, the wrong dashed ✗.

    query_images: (Q, 3, H, W). gallery_images: (Q, K, 3, H, W), both as in `images`. correct: (Q, K)
    booleans. distances: (Q, K), shown below. titles: one for each query.
    """
    queries, correct = _rgb(query_images), np.asarray(correct, dtype=bool)
    n, k = correct.shape
    gallery = _rgb(gallery_images.reshape(n * k, *gallery_images.shape[2:])).reshape(n, k, *queries.shape[1:])
    aspect = queries.shape[1] / queries.shape[2]
    ratios = [1, 0.2] + [1] * k
    panel = min(WIDTH / sum(ratios), PANEL)
    figure = _sheet(panel * sum(ratios), n * (panel * aspect + 0.4) + 0.8)
    grid = figure.subplots(n, k + 2, squeeze=False, width_ratios=ratios)
    for i, row in enumerate(grid):
        row[1].set_axis_off()
        row[0].imshow(queries[i])
        _frame(row[0], "black", "solid", 1)
        row[0].set_xlabel(titles[i] if titles else "query", fontsize=9)
        for j, ax in enumerate(row[2:]):
            ax.imshow(gallery[i, j])
            colour, line, mark = (GREEN, "solid", "✓") if correct[i, j] else (VERMILION, (0, (2, 1)), "✗")
            _frame(ax, colour, line, 3)
            beneath = mark if distances is None else f"{mark} {float(distances[i][j]):.3f}"
            ax.set_xlabel(beneath, fontsize=9, color=colour)
            if i == 0:
                ax.set_title(f"rank {j + 1}", fontsize=9)
    shown = "✓ same person, ✗ another" + ("" if distances is None else "; the number is the distance")
    figure.suptitle(f"{title}\n{shown}", fontsize=10)
    return figure


def cmc(curves: Mapping[str, object], ranks: int = 20) -> Figure:
    """The share of queries with a right match among the first r, for r up to `ranks`.

    curves: {name: (R,) fractions, the first is rank 1}, such as {"rga_sc": ranking.cmc}.
    """
    figure = Figure(figsize=(6.5, 4), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    looks = zip(
        cycle((BLUE, VERMILION, GREEN, PURPLE, ORANGE, GREY)),
        cycle("os^Dv"),
        cycle(("-", "--", "-.", ":")),
        strict=False,
    )
    for (name, values), (colour, marker, line) in zip(curves.items(), looks, strict=False):
        values = 100 * np.asarray(values, dtype=float)[:ranks]
        label = f"{name}: rank-1 {values[0]:.1f} %"
        look = {"color": colour, "marker": marker, "linestyle": line, "markersize": 4}
        ax.plot(1 + np.arange(len(values)), values, label=label, **look)
    _panel(ax, "A right match among the first r gallery images")
    ax.set(xlabel="rank r", ylabel="queries (%)", ylim=(0, 101))
    ax.set_xticks([1, *range(5, ranks + 1, 5)])
    ax.legend(frameon=False, loc="lower right")
    return figure


def images(
    images, titles: Sequence[str] | None = None, columns: int = 10, title: str | None = None
) -> Figure:
    """A contact sheet.

    images: (B, 3, H, W), uint8 or float between 0 and 1, a tensor or an array (else ValueError).
    """
    pictures = _rgb(images)
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    aspect = pictures.shape[1] / pictures.shape[2]
    panel = min(WIDTH / columns, PANEL)
    line = 0.25 if titles else 0.05
    height = rows * (panel * aspect + line) + (0.4 if title else 0)
    figure = _sheet(panel * columns, height)
    for i, ax in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        ax.set_axis_off()
        if i < len(pictures):
            ax.imshow(pictures[i])
            ax.set_title(titles[i] if titles else "", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def rows(rows: Mapping[str, object], titles: Sequence[str] | None = None, title: str | None = None) -> Figure:
    """A contact sheet with a name before each row.

    rows: {name: (B, 3, H, W)} as in `images`, B may differ. titles: one for each column.
    """
    pictures = {name: _rgb(row) for name, row in rows.items()}
    columns = max(map(len, pictures.values()))
    aspect = max(row.shape[1] / row.shape[2] for row in pictures.values())
    words = 0.09 * max(map(len, pictures)) + 0.1  # inches
    panel = min((WIDTH - words) / columns, 0.8 * PANEL)  # there are many
    height = len(pictures) * (panel * aspect + 0.05) + (0.4 if title else 0) + (0.25 if titles else 0)
    figure = _sheet(words + panel * columns, height)
    ratios = [words / panel] + [1] * columns
    grid = figure.subplots(len(pictures), columns + 1, squeeze=False, width_ratios=ratios)
    for ax in grid.flat:
        ax.set_axis_off()
    for (name, row), (label, *axes) in zip(pictures.items(), grid, strict=True):
        label.text(1, 0.5, name, fontsize=9, ha="right", va="center", transform=label.transAxes)
        for ax, picture in zip(axes, row, strict=False):
            ax.imshow(picture)
    for ax, text in zip(grid[0, 1:], titles or (), strict=False):
        ax.set_title(text, fontsize=8)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def roles(query_image, gallery_images, roles: Sequence[str], columns: int = 10) -> Figure:
    """What gallery images are to one query: framed and marked as the match, stranger, distractor or junk.

    query_image: (3, H, W). gallery_images: (B, 3, H, W), both as in `images`. roles: B keys of ROLES, else
    ValueError. columns: gallery images side by side.
    """
    if unknown := set(roles) - set(ROLES):
        raise ValueError(f"unknown role {min(unknown)!r}: choose from {', '.join(ROLES)}.")
    query, gallery = _rgb(query_image[None])[0], _rgb(gallery_images)
    lines = math.ceil(len(gallery) / columns)
    ratios = [1, 0.2] + [1] * columns
    panel = min(WIDTH / sum(ratios), PANEL)
    figure = _sheet(panel * sum(ratios), lines * (panel * query.shape[0] / query.shape[1] + 0.3) + 0.3)
    grid = figure.subplots(lines, columns + 2, squeeze=False, width_ratios=ratios)
    for ax in grid.flat:
        ax.set_axis_off()
    grid[0, 0].imshow(query)
    _frame(grid[0, 0], "black", "solid", 1)
    grid[0, 0].set_xlabel("query", fontsize=9)
    for ax, picture, role in zip(grid[:, 2:].flat, gallery, roles, strict=False):
        colour, line, mark = ROLES[role]
        ax.imshow(picture, alpha=0.45 if role == "junk" else 1)
        _frame(ax, colour, line, 3)
        ax.set_xlabel(f"{mark} {role}", fontsize=7, color=colour)
    figure.suptitle("One query, and what gallery images are to it", fontsize=10)
    return figure


def histograms(values: Mapping[str, object], xlabel: str, title: str, bins: int = 40) -> Figure:
    """The distributions of several samples over one axis, each with area 1 and its mean as a vertical line."""
    samples = {name: torch.as_tensor(v).detach().cpu().numpy().ravel() for name, v in values.items()}
    low, high = min(v.min() for v in samples.values()), max(v.max() for v in samples.values())
    edges = np.linspace(low, high, bins + 1)
    figure = Figure(figsize=(7, 3), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    looks = zip(cycle((BLUE, VERMILION, GREEN, PURPLE)), cycle(("-", "--", "-.", ":")), strict=False)
    for (name, sample), (colour, line) in zip(samples.items(), looks, strict=False):
        density, _ = np.histogram(sample, edges, density=True)
        ax.stairs(density, edges, color=colour, linestyle=line, linewidth=1.5, label=name)
        ax.axvline(sample.mean(), color=colour, linestyle=line, linewidth=1)
    _panel(ax, title)
    ax.set(xlabel=xlabel, yticks=[])
    ax.legend(frameon=False, fontsize=9)
    return figure


def _rgb(images) -> np.ndarray:
    """(B, 3, H, W) uint8, or float in 0..1 -> (B, H, W, 3) uint8."""
    array = torch.as_tensor(images).detach().cpu().numpy()
    if array.ndim != 4 or array.shape[1] != 3 or not len(array):
        raise ValueError(f"expected images (B, 3, H, W), at least one, got the shape {array.shape}.")
    if array.dtype != np.uint8:
        if not (array.min() >= -1e-3 and array.max() <= 1 + 1e-3):
            raise ValueError(
                "expected uint8 images or floats between 0 and 1, "
                f"got {array.min():.2f} to {array.max():.2f}. "
                "Undo the normalisation first: rga.data.transforms.denormalise(images)."
            )
        array = (array.clip(0, 1) * 255).round().astype(np.uint8)
    return array.transpose(0, 2, 3, 1)


def _maps(name: str, values, people: int) -> np.ndarray:
    """(B, h, w) or (B, 1, h, w) -> (B, h, w) float32."""
    array = torch.as_tensor(values).detach().float().cpu().numpy()
    array = array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array
    if array.ndim != 3 or len(array) != people:
        raise ValueError(
            f"expected maps of {name} ({people}, h, w) or ({people}, 1, h, w), got {array.shape}."
        )
    return array


def _sheet(width: float, height: float) -> Figure:
    """An empty figure in inches that keeps pictures close together."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.03, hspace=0)
    return figure


def _panel(ax, title: str) -> None:
    ax.set_title(title, fontsize=10, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)


def _frame(ax, colour: str, line, width: float) -> None:
    ax.set_axis_on()
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, edgecolor=colour, linestyle=line, linewidth=width, capstyle="butt")
