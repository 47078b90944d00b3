"""Runs as points: does one of their numbers go with another?"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from rga.plot.style import BLUE, DPI, GREEN, GREY, ORANGE, PURPLE, VERMILION, panel

LOOKS = [*zip("osD^vPX", (BLUE, VERMILION, GREEN, ORANGE, PURPLE, GREY, "black"), strict=True)]


def scatter(
    groups: Mapping[str, tuple[Sequence[float], Sequence[float]]], xlabel: str, ylabel: str, title: str
) -> Figure:
    """Points of several groups, each with a marker and a colour of its own; up to seven are told apart by both.

    groups: {name: (x, y)}, fractions, shown in percent. xlabel, ylabel, title: words.
    """
    figure = Figure(figsize=(7, 3.8), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    for i, (name, (x, y)) in enumerate(groups.items()):
        marker, colour = LOOKS[i % len(LOOKS)]
        x, y = ([100 * value for value in axis] for axis in (x, y))
        ax.plot(x, y, marker, color=colour, markersize=7, alpha=0.85, label=name)
    panel(ax, title)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
