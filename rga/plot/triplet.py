"""A batch-hard triplet: an anchor, its farthest positive, its nearest negative, and the margin between them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from rga.plot.style import BLUE, DPI, GREEN, VERMILION, as_array, panel, rgb


def triplet(images, labels, distances: Mapping[str, object], anchor: int = 0, margin: float = 0.3) -> Figure:
    """A row a network: the three images, and on a line the distances from the anchor to the whole batch.

    Args:
        images: (B, 3, H, W), see `rga.plot.images`.
        labels: (B,) identities.
        distances: {name: (B, B)}, such as those of one network before and after training.
        anchor: an index in the batch.
        margin: of the loss.
    """
    pictures, same = rgb(images), as_array(labels) == as_array(labels)[anchor]
    others = same & (np.arange(len(same)) != anchor)
    figure = Figure(figsize=(9.5, 0.75 + 1.35 * len(distances)), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(distances), 4, squeeze=False, width_ratios=[0.5, 0.5, 0.5, 4])
    for (name, values), (*people, line) in zip(distances.items(), grid, strict=True):
        row = as_array(values)[anchor]
        positive = int(np.where(same, row, -np.inf).argmax())
        negative = int(np.where(same, np.inf, row).argmin())
        for ax, index in zip(people, (anchor, positive, negative), strict=True):
            ax.set_axis_off()
            ax.imshow(pictures[index])
        far, near = row[positive], row[negative]
        line.axvspan(far, far + margin, color=BLUE, alpha=0.2, label=f"margin {margin:g}")
        line.plot(row[others], np.full(others.sum(), 0.25), "o", color=GREEN, label="same person", alpha=0.7)
        line.plot(row[~same], np.full((~same).sum(), 0.75), "x", color=VERMILION, label="others")
        loss = max(0.0, margin + far - near)
        panel(line, f"{name}: max(0, {margin:g} + {far:.2f} − {near:.2f}) = {loss:.2f}")
        line.set(ylim=(0, 1), yticks=[], xlim=(0, None))
        line.spines["left"].set_visible(False)
    colours = {"anchor": "black", "farthest\npositive": GREEN, "nearest\nnegative": VERMILION}
    for ax, (name, colour) in zip(grid[0], colours.items(), strict=False):
        ax.set_title(name, fontsize=9, color=colour)
    line.set_xlabel("distance from the anchor", loc="left")
    line.legend(frameon=False, fontsize=8, ncols=3, loc="upper right", bbox_to_anchor=(1, -0.2))
    return figure
