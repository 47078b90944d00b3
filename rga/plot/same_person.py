"""The threshold of "same person?": two histograms, the line between yes and no, and the closest errors it makes."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from rga.plot.style import BLUE, DPI, VERMILION, as_array, frame, panel, rgb

Example = tuple[object, float] | None  # images (2, 3, H, W) and their distance; None: there is no such pair
KINDS = {  # of pairs: what an error is called, colour, line, hatch
    "genuine": ("false reject", BLUE, "-", "//"),
    "impostor": ("false accept", VERMILION, "--", "\\\\"),
}


def same_person(
    genuine, impostor, threshold: float, examples: Mapping[str, Example] | None = None, bins: int = 50
) -> Figure:
    """Distances of both kinds of pairs, each with area 1; filled is what the threshold decides wrongly.

    Args:
        genuine, impostor: (N,) and (M,) cosine distances, at least one each.
        threshold: pairs up to this distance are accepted.
        examples: {"genuine" or "impostor": (two images as in `images`, their distance), or None}: an error of each
            kind, shown beside the histograms.
        bins: of the common axis.
    """
    pairs = {"genuine": as_array(genuine).ravel(), "impostor": as_array(impostor).ravel()}
    wrong = {"genuine": pairs["genuine"] > threshold, "impostor": pairs["impostor"] <= threshold}
    edges = np.linspace(0, max(distances.max() for distances in pairs.values()), bins + 1)
    examples = examples or {}
    figure = Figure(figsize=(9.5, 2.35), dpi=DPI, layout="constrained")
    ratios = [4.5] + [1] * 2 * len(examples)
    chart, *panels = figure.subplots(1, len(ratios), squeeze=False, width_ratios=ratios)[0]
    for kind, distances in pairs.items():
        error, colour, line, hatch = KINDS[kind]
        share = 1 / len(distances) / edges[1]
        label = f"{error}: {100 * wrong[kind].mean():.1f} % of {len(distances)} {kind} pairs"
        chart.stairs(share * np.histogram(distances, edges)[0], edges, color=colour, linestyle=line)
        filled = {"facecolor": f"{colour}66", "edgecolor": colour, "hatch": hatch, "linewidth": 0}
        chart.stairs(
            share * np.histogram(distances[wrong[kind]], edges)[0], edges, fill=True, label=label, **filled
        )
    chart.axvline(threshold, color="black", linewidth=1.5)
    panel(chart, f'"The same person" up to {threshold:.2f}')
    chart.set(xlabel="cosine distance", yticks=[], ylim=(0, 1.35 * chart.get_ylim()[1]))
    chart.legend(framealpha=1, edgecolor="none", fontsize=8.5, loc="upper right")
    for i, (kind, example) in enumerate(examples.items()):
        _example(panels[2 * i : 2 * i + 2], kind, example)
    return figure


def _example(axes, kind: str, example: Example) -> None:
    error, colour, line, _ = KINDS[kind]
    for ax in axes:
        ax.set_axis_off()
    if example is None:
        axes[0].text(0.5, 0.5, f"no {error}", ha="center", fontsize=9, transform=axes[0].transAxes)
        return
    images, distance = example
    for ax, picture in zip(axes, rgb(images), strict=True):
        ax.imshow(picture)
        frame(ax, colour, "solid" if kind == "genuine" else (0, (2, 1)), 2.5)
    axes[0].set_title(f"{error}, {distance:.3f}", fontsize=9, loc="left", color=colour)
