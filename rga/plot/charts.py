"""Figures of numbers: training curves, CMC, precision-recall, ROC, intervals, histograms."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

import numpy as np
import torch
from matplotlib.figure import Figure

from rga.metrics.inputs import as_numpy
from rga.plot.style import BLUE, DPI, GREEN, GREY, ORANGE, PURPLE, VERMILION, WIDTH, panel
from rga.training.log import Log

Curve = tuple[object, object]  # two arrays of one length, x and y


def curves(logs: Sequence[Log]) -> Figure:
    """The loss, its two terms and the learning rate over a training run. Raises ValueError without a log.

    Where `rga.fit` was given another loss, which has no terms: the loss and the learning rate.
    """
    if not logs:
        raise ValueError(
            "curves needs at least one log: collect what rga.fit yields, logs = list(rga.fit(...))."
        )
    epoch = np.array([log.step * log.epochs / log.steps for log in logs])
    each = np.ceil(epoch - 1e-9)
    titles = {"loss": "loss", "lr": "learning rate"}
    if any(log.identity is not None for log in logs):
        titles = {
            "loss": "loss = identity + triplet",
            "identity": "identity loss (cross-entropy)",
            "triplet": "triplet loss (batch-hard)",
            "lr": "learning rate",
        }
    figure = Figure(figsize=(WIDTH, 1.15 * len(titles)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(titles) // 2, 2, sharex=True, squeeze=False)
    for ax, (name, title) in zip(panels.flat, titles.items(), strict=True):
        values = np.array([getattr(log, name) for log in logs], dtype=float)  # None becomes NaN: not drawn
        panel(ax, title)
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
    for ax in panels[-1]:
        ax.set_xlabel("epoch")
    return figure


def cmc(curves: Mapping[str, object], ranks: int = 20) -> Figure:
    """CMC: the share of queries with a right match among the first r, for r up to `ranks`.

    curves: {name: (R,) fractions, the first is rank 1}, such as {"rga_sc": ranking.cmc}.
    """
    figure = Figure(figsize=(6.5, 4), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    styles = zip(_line_styles(ORANGE, GREY), cycle("os^Dv"), strict=False)
    for (name, values), (style, marker) in zip(curves.items(), styles, strict=False):
        values = 100 * np.asarray(values, dtype=float)[:ranks]
        label = f"{name}: rank-1 {values[0]:.1f} %"
        ax.plot(1 + np.arange(len(values)), values, label=label, marker=marker, markersize=4, **style)
    panel(ax, "A right match among the first r gallery images")
    ax.set(xlabel="rank r", ylabel="queries (%)", ylim=(0, 101))
    ax.set_xticks([1, *range(5, ranks + 1, 5)])
    ax.legend(frameon=False, loc="lower right")
    return figure


def precision_recall(steps: Mapping[str, Curve], lines: Mapping[str, Curve] | None = None) -> Figure:
    """Precision over recall, with the area below each curve: its average precision.

    steps: {name: (recall, precision)}, fractions (N,): up to each recall the precision is the one beside it, as
    `rga.metrics.precision_recall` and `mean_precision_recall` say. lines: the same, joined by straight lines.
    """
    figure = Figure(figsize=(6.5, 3.6), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    styles = _line_styles()
    for straight, curves in ((False, steps), (True, lines or {})):
        for (name, curve), style in zip(curves.items(), styles, strict=False):
            recall, precision = (np.asarray(axis, dtype=float) for axis in curve)
            if straight:
                area = np.trapezoid(precision, recall)
            else:
                area = (np.diff(recall, prepend=0) * precision).sum()
                recall, precision = np.r_[0, recall], np.r_[precision[0], precision]
            style["drawstyle"] = "default" if straight else "steps-pre"
            ax.plot(100 * recall, 100 * precision, label=f"{name}: area {100 * area:.1f} %", **style)
    panel(ax, "Precision at each recall")
    ax.set(
        xlabel="recall: share of the matches found (%)", ylabel="precision (%)", xlim=(0, 101), ylim=(0, 103)
    )
    ax.legend(frameon=False, loc="lower left")
    return figure


def roc(curves: Mapping[str, Curve], marks: Mapping[str, tuple[float, float]] | None = None) -> Figure:
    """ROC: the share of genuine pairs that are accepted over the share of impostors that are, on a log axis.

    curves: {name: (false accepts, true accepts)}, fractions (T,) from strict to lax, as in `rga.metrics.roc`. marks:
    {name: (false accept, true accept)} of chosen thresholds. What accepts no impostor is left of the axis.
    """
    figure = Figure(figsize=(6.5, 3.8), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    lowest = 100.0
    for (name, curve), style in zip(curves.items(), _line_styles(), strict=False):
        false, true = (100 * np.asarray(axis, dtype=float) for axis in curve)
        lowest = min(lowest, false[false > 0].min(initial=lowest))
        ax.plot(false, true, label=name, **style)
    chance = np.geomspace(min(lowest, 10), 100, 50)
    ax.plot(chance, chance, color=GREY, linewidth=1, linestyle=":", label="chance")
    points = cycle(zip("osD^", (ORANGE, PURPLE, GREEN, VERMILION), strict=True))
    for (name, (false, true)), (marker, colour) in zip((marks or {}).items(), points, strict=False):
        label = f"{name}: {100 * false:.2f} %, {100 * true:.0f} %"
        point = {"color": colour, "markersize": 8, "markeredgecolor": "black"}
        ax.plot(100 * false, 100 * true, marker, label=label, **point)
    panel(ax, "Same person? What each threshold accepts")
    ax.set(xscale="log", xlim=(chance[0], 100), ylim=(0, 102))
    ax.set(xlabel="impostors accepted (%)", ylabel="genuine pairs accepted (%)")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(framealpha=1, edgecolor="none", fontsize=8, loc="lower right")
    return figure


def intervals(intervals: Mapping[str, tuple[float, float, float]], xlabel: str, title: str) -> Figure:
    """Confidence intervals below one another, from the first down; those that hold 0 are grey and hollow.

    intervals: {name: (value, low, high)}, fractions, shown in percent.
    """
    figure = Figure(figsize=(7, 0.9 + 0.32 * len(intervals)), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    for row, interval in enumerate(intervals.values()):
        value, low, high = (100 * x for x in interval)
        unsure = low <= 0 <= high
        colour = GREY if unsure else BLUE
        point = {"marker": "o", "markevery": [1], "markerfacecolor": "white" if unsure else BLUE}
        ax.plot([low, value, high], [row] * 3, "-", color=colour, linewidth=2, **point)
        ax.plot([low, high], [row] * 2, "|", color=colour, markersize=9)
    ax.axvline(0, color="black", linewidth=1)
    panel(ax, title)
    ax.set(xlabel=xlabel, ylim=(len(intervals) - 0.5, -0.5))
    ax.set_yticks(range(len(intervals)), list(intervals))
    ax.tick_params(axis="y", length=0, labelsize=9)
    return figure


def histograms(
    values: Mapping[str, object],
    xlabel: str,
    title: str,
    bins: int = 40,
    mark: tuple[str, float] | None = None,
) -> Figure:
    """The distributions of several samples over one axis, each with area 1 and its mean as a triangle on the axis.

    values: {name: sample}. xlabel, title: words. bins: of all samples together. mark: (name, value) of a vertical line,
    such as a threshold. Of an empty sample only the name is shown; ValueError
    if all are.
    """
    arrays = {name: as_numpy(torch.as_tensor(v)).ravel() for name, v in values.items()}
    samples = {name: array for name, array in arrays.items() if array.size}
    if not samples:
        raise ValueError(
            f"histograms needs at least one value, got none for {', '.join(arrays) or 'no sample'}."
        )
    low, high = min(v.min() for v in samples.values()), max(v.max() for v in samples.values())
    if low == high:  # one value: a bar of width 1 around it
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    figure = Figure(figsize=(7, 3), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    for (name, sample), style in zip(samples.items(), _line_styles(), strict=False):
        density, _ = np.histogram(sample, edges, density=True)
        ax.stairs(density, edges, linewidth=1.5, label=f"{name} (▲ mean)", **style)
        ax.plot(sample.mean(), 0, "^", color=style["color"], clip_on=False, zorder=3)
    for name in [name for name in arrays if name not in samples]:
        ax.plot([], label=f"{name}: none", linestyle="none")
    if mark is not None:
        ax.axvline(mark[1], color="black", linewidth=1, label=mark[0])
    panel(ax, title)
    ax.set(xlabel=xlabel, yticks=[], ylim=(0, None))
    ax.legend(frameon=False, fontsize=9)
    return figure


def _line_styles(*more_colours: str) -> Iterator[dict[str, str]]:
    """A colour and a line style for each further curve."""
    colours = cycle((BLUE, VERMILION, GREEN, PURPLE, *more_colours))
    for colour, line in zip(colours, cycle(("-", "--", "-.", ":")), strict=False):
        yield {"color": colour, "linestyle": line}
