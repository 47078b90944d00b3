"""Learning rates over the epochs of a run."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from rga.plot.style import BLUE, DPI, panel


def schedules(rates: Mapping[str, Sequence[float]]) -> Figure:
    """One panel for each schedule, with its own epochs, on one axis of rates.

    rates: {name: the rate of each epoch, from epoch 0}, such as `rga.training.lr_schedule.learning_rates` gives.
    """
    figure = Figure(figsize=(1.2 + 2.8 * len(rates), 2.6), dpi=DPI, layout="constrained")
    for ax, (name, values) in zip(
        figure.subplots(1, len(rates), sharey=True, squeeze=False).flat, rates.items(), strict=True
    ):
        ax.stairs(values, range(len(values) + 1), baseline=None, color=BLUE, linewidth=1.5)
        panel(ax, name)
        ax.set(xlabel="epoch", ylim=(0, 1.05 * max(map(max, rates.values()))))
    figure.axes[0].set_ylabel("learning rate")
    return figure
