"""The figure of an ablation: what every method gains on every set, under the most that could be gained there."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from rga.plot.style import BLUE, DPI, GREEN, GREY, VERMILION, WIDTH, panel

Interval = tuple[float, float, float]  # value, low, high: fractions
COLUMNS = 4


def gains(
    sets: Mapping[str, Mapping[str, Interval | None]],
    ceilings: Mapping[str, Interval | None] | None = None,
    title: str = "",
) -> Figure:
    """A panel for each set, a row for each method: its gain over the baseline, in points, with its interval.

    Blue and filled: the interval is above 0, it helps; vermilion, a square: below 0, it harms; grey and hollow: it
    holds 0, nobody can tell. The green band ends at the ceiling, the gain of an oracle, with its own interval on top.
    What lies far left of the panel is an arrow with its value.

    Args:
        sets: {set: {method: (value, low, high)}}, the same methods for each set; None for what was not measured.
        ceilings: {set: (value, low, high)} of the oracle; None, or no entry, where there is none.
        title: above all panels.
    """
    methods = list(next(iter(sets.values())))
    columns = min(COLUMNS, len(sets))
    rows = math.ceil(len(sets) / columns)
    height = rows * (0.95 + 0.24 * (len(methods) + 1)) + (0.35 if title else 0)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for ax in axes.flat[len(sets) :]:
        ax.set_axis_off()
    if len(sets) < axes.size:
        _key(axes.flat[-1])
    for ax, (name, measured) in zip(axes.flat, sets.items(), strict=False):
        panel(ax, name)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0, labelsize=9)
        ax.tick_params(axis="x", labelsize=8)
        _fill(ax, measured, (ceilings or {}).get(name))
    axes[0, 0].set_yticks(range(-1, len(methods)), ["oracle", *methods])
    axes[0, 0].set_ylim(len(methods) - 0.4, -1.6)
    figure.supxlabel(
        "points gained over no attention, with 95 % intervals (each panel has its own scale)", fontsize=9
    )
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _fill(ax, measured: Mapping[str, Interval | None], ceiling: Interval | None) -> None:
    known = {row: 100 * np.array(found) for row, found in enumerate(measured.values()) if found is not None}
    top = 100 * np.array(ceiling) if ceiling is not None else None
    low, high = _limits(list(known.values()), top)
    ax.set_xlim(low, high)
    ax.axvline(0, color="black", linewidth=1)
    if not known and top is None:
        ax.set_xticks([])
    if top is None:
        ax.text(
            0.03 * high, -1, "no oracle" if known else "not recorded", fontsize=8, color=GREY, va="center"
        )
    else:
        ax.axvspan(0, top[0], color=GREEN, alpha=0.12, linewidth=0)
        ax.axvline(top[0], color=GREEN, linewidth=1)
        _interval(ax, -1, top, GREEN, "D", GREEN)
    for row in set(range(len(measured))) - known.keys() if known else ():
        ax.text(0.03 * high, row, "not recorded", fontsize=8, color=GREY, va="center")
    for row, interval in known.items():
        if interval[0] < low:
            ax.annotate(
                f"{interval[0]:+.0f}".replace("-", "−"),
                (low, row),
                (14, 0),
                textcoords="offset points",
                fontsize=8,
                color=VERMILION if interval[2] < 0 else GREY,
                va="center",
                arrowprops={"arrowstyle": "->", "color": GREY},
            )
        elif interval[1] > 0:
            _interval(ax, row, interval, BLUE, "o", BLUE)
        elif interval[2] < 0:
            _interval(ax, row, interval, VERMILION, "s", VERMILION)
        else:
            _interval(ax, row, interval, GREY, "o", "white")


def _limits(known: list[np.ndarray], top: np.ndarray | None) -> tuple[float, float]:
    """Room for all values above 0 and for the ceiling; to the left half as much, or as much as is needed if less."""
    values = np.array([interval[0] for interval in [*known, *([] if top is None else [top])]] or [1.0])
    ends = [interval[2] for interval in known] + ([] if top is None else [top[2]])
    reach = max(values.max(), 1.0)
    high = 1.08 * min(max([*ends, 1.0]), 2 * reach)
    near = [interval[1] for interval in known if interval[0] > -0.8 * high]
    return max(min([*near, -0.1 * high]) - 0.08 * high, -1.6 * high), high


def _key(ax) -> None:
    marks = {"gain of the oracle": (GREEN, "D", GREEN), "above 0: helps": (BLUE, "o", BLUE)}
    marks |= {"holds 0: cannot tell": (GREY, "o", "white"), "below 0: harms": (VERMILION, "s", VERMILION)}
    for words, (colour, marker, fill) in marks.items():
        ax.plot([], [], f"-{marker}", color=colour, markerfacecolor=fill, markersize=5, label=words)
    ax.fill_between([], [], color=GREEN, alpha=0.12, label="room for an attention")
    ax.legend(loc="center", frameon=False, fontsize=9)


def _interval(ax, row: int, interval: np.ndarray, colour: str, marker: str, fill: str) -> None:
    value, low, high = interval
    ax.plot([low, high], [row, row], "-|", color=colour, linewidth=1.6, markersize=6)
    ax.plot([value], [row], marker, color=colour, markerfacecolor=fill, markersize=5)
