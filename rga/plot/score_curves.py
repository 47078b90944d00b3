"""Scores in the course of training, one line a run."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from rga.plot.scatter import LOOKS
from rga.plot.style import DPI, panel


def score_curves(runs: Mapping[str, Mapping[int, float]], ylabel: str, title: str) -> Figure:
    """Lines through the epochs at which runs were evaluated.

    runs: {name: {epoch: score}}, fractions, shown in percent.
    """
    figure = Figure(figsize=(6.5, 2.8), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    for i, (name, scores) in enumerate(runs.items()):
        marker, colour = LOOKS[i % len(LOOKS)]
        epochs = sorted(scores)
        line = {"linestyle": ("-", "--")[i % 2], "marker": marker, "color": colour}
        ax.plot(epochs, [100 * scores[epoch] for epoch in epochs], label=name, **line)
    panel(ax, title)
    ax.set(xlabel="epoch", ylabel=ylabel, xlim=(0, None), ylim=(0, None))
    ax.legend(frameon=False, fontsize=9)
    return figure
