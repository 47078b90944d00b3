"""Figures of numbers: training curves, CMC, histograms."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import torch
from matplotlib.figure import Figure

from rga.plot.look import BLUE, DPI, GREEN, GREY, ORANGE, PURPLE, VERMILION, WIDTH, panel


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
    for ax in panels[1]:
        ax.set_xlabel("epoch")
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
    panel(ax, "A right match among the first r gallery images")
    ax.set(xlabel="rank r", ylabel="queries (%)", ylim=(0, 101))
    ax.set_xticks([1, *range(5, ranks + 1, 5)])
    ax.legend(frameon=False, loc="lower right")
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
    panel(ax, title)
    ax.set(xlabel=xlabel, yticks=[])
    ax.legend(frameon=False, fontsize=9)
    return figure
