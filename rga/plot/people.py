"""Figures of people: contact sheets, ranked lists, what gallery images are to a query."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from rga.plot.style import GREEN, GREY, PANEL, PURPLE, VERMILION, WIDTH, as_array, frame, rgb, sheet

ROLES = {  # of a gallery image for one query: colour, line and mark
    "match": (GREEN, "solid", "✓"),
    "stranger": (VERMILION, (0, (2, 1)), "✗"),
    "distractor": (PURPLE, "dashdot", "✗"),
    "junk": (GREY, "dotted", "–"),
}


def images(
    images,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    title: str | None = None,
    width: float = PANEL,
) -> Figure:
    """A contact sheet.

    images: (B, 3, H, W), uint8 or float between 0 and 1, a tensor or an array (else ValueError). titles: one for each
    image. columns: images in a row. title: of the figure. width: of one image, at most, in inches.
    """
    pictures = rgb(images)
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    aspect = pictures.shape[1] / pictures.shape[2]
    panel = min(WIDTH / columns, width)
    line = 0.25 if titles else 0.05
    height = rows * (panel * aspect + line) + (0.4 if title else 0)
    figure = sheet(panel * columns, height)
    for i, ax in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        ax.set_axis_off()
        if i < len(pictures):
            ax.imshow(pictures[i])
            ax.set_title(titles[i] if titles else "", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def rows(
    rows: Mapping[str, object],
    titles: Sequence[str] | None = None,
    title: str | None = None,
    below: Mapping[str, Sequence[str]] | None = None,
    width: float = 0.8 * PANEL,
) -> Figure:
    """A contact sheet with a name before each row.

    rows: {name: (B, 3, H, W)} as in `images`, B may differ. titles: one for each column. title: of the figure.
    below: {name: B words}. width: of one image, at most, in inches.
    """
    pictures = {name: rgb(row) for name, row in rows.items()}
    columns = max(map(len, pictures.values()))
    aspect = max(row.shape[1] / row.shape[2] for row in pictures.values())
    words = 0.09 * max(map(len, pictures)) + 0.1  # inches
    panel = min((WIDTH - words) / columns, width)
    line = 0.2 if below else 0.05
    heading = max((0.25 + 0.13 * str(text).count("\n") for text in titles or ()), default=0)
    height = len(pictures) * (panel * aspect + line) + (0.4 if title else 0) + heading
    figure = sheet(words + panel * columns, height)
    ratios = [words / panel] + [1] * columns
    grid = figure.subplots(len(pictures), columns + 1, squeeze=False, width_ratios=ratios)
    for ax in grid.flat:
        ax.set_axis_off()
    for (name, row), (label, *axes) in zip(pictures.items(), grid, strict=True):
        label.text(1, 0.5, name, fontsize=9, ha="right", va="center", transform=label.transAxes)
        for ax, picture in zip(axes, row, strict=False):
            ax.imshow(picture)
        for ax, text in zip(axes, (below or {}).get(name, ()), strict=False):
            ax.text(0.5, -0.02, text, fontsize=7, ha="center", va="top", transform=ax.transAxes)
    for ax, text in zip(grid[0, 1:], titles or (), strict=False):
        ax.set_title(text, fontsize=8)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def roles(
    query_image, gallery_images, roles: Sequence[str], columns: int = 10, width: float = PANEL
) -> Figure:
    """What gallery images are to one query: framed and marked as the match, stranger, distractor or junk.

    query_image: (3, H, W). gallery_images: (B, 3, H, W), both as in `images`. roles: B keys of ROLES, else
    ValueError. columns: gallery images side by side. width: of one image, at most, in inches.
    """
    if unknown := set(roles) - set(ROLES):
        raise ValueError(f"unknown role {min(unknown)!r}: choose from {', '.join(ROLES)}.")
    query, gallery = rgb(query_image[None])[0], rgb(gallery_images)
    lines = math.ceil(len(gallery) / columns)
    ratios = [1, 0.2] + [1] * columns
    panel = min(WIDTH / sum(ratios), width)
    figure = sheet(panel * sum(ratios), lines * (panel * query.shape[0] / query.shape[1] + 0.3) + 0.3)
    grid = figure.subplots(lines, columns + 2, squeeze=False, width_ratios=ratios)
    for ax in grid.flat:
        ax.set_axis_off()
    grid[0, 0].imshow(query)
    frame(grid[0, 0], "black", "solid", 1)
    grid[0, 0].set_xlabel("query", fontsize=9)
    for ax, picture, role in zip(grid[:, 2:].flat, gallery, roles, strict=False):
        colour, line, mark = ROLES[role]
        ax.imshow(picture, alpha=0.45 if role == "junk" else 1)
        frame(ax, colour, line, 3)
        ax.set_xlabel(f"{mark} {role}", fontsize=7 if panel < 0.8 else 9, color=colour)
    figure.suptitle("One query, and what gallery images are to it", fontsize=10)
    return figure


def ranked_lists(
    query_images,
    gallery_images,
    correct,
    distances=None,
    titles: Sequence[str] | None = None,
    title: str = "Nearest gallery images of each query, nearest first",
    width: float = PANEL,
) -> Figure:
    """One row a query, then its nearest gallery images: the right framed solid ✓, the wrong dashed ✗.

    Args:
        query_images: (Q, 3, H, W), as in `images`.
        gallery_images: (Q, K, 3, H, W), the nearest first.
        correct: (Q, K) booleans.
        distances: (Q, K), shown below the images.
        titles: one for each query.
        title: of the figure.
        width: of one image, at most, in inches.
    """
    queries, correct = rgb(query_images), as_array(correct).astype(bool)
    n, k = correct.shape
    gallery = rgb(gallery_images.reshape(n * k, *gallery_images.shape[2:])).reshape(n, k, *queries.shape[1:])
    aspect = queries.shape[1] / queries.shape[2]
    ratios = [1, 0.2] + [1] * k
    panel = min(WIDTH / sum(ratios), width)
    figure = sheet(panel * sum(ratios), n * (panel * aspect + 0.4) + 0.8)
    grid = figure.subplots(n, k + 2, squeeze=False, width_ratios=ratios)
    for i, row in enumerate(grid):
        row[1].set_axis_off()
        row[0].imshow(queries[i])
        frame(row[0], "black", "solid", 1)
        row[0].set_xlabel(titles[i] if titles else "query", fontsize=9)
        for j, ax in enumerate(row[2:]):
            ax.imshow(gallery[i, j])
            colour, line, mark = (GREEN, "solid", "✓") if correct[i, j] else (VERMILION, (0, (2, 1)), "✗")
            frame(ax, colour, line, 3)
            beneath = mark if distances is None else f"{mark} {float(distances[i][j]):.3f}"
            ax.set_xlabel(beneath, fontsize=9, color=colour)
            if i == 0:
                ax.set_title(f"rank {j + 1}", fontsize=9)
    shown = "✓ same person, ✗ another" + ("" if distances is None else "; the number is the distance")
    figure.suptitle(f"{title}\n{shown}", fontsize=10)
    return figure
