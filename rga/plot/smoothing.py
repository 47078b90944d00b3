"""Label smoothing: the target it makes of a label, and the loss that it leaves."""

import numpy as np
from matplotlib.figure import Figure

from rga.plot.style import BLUE, DPI, GREY, VERMILION, panel

SHOWN = 6  # classes of the target


def smoothing(epsilon: float, classes: int) -> Figure:
    """Left, the target of a label with and without smoothing; right, the loss over the probability of the right class.

    epsilon: in [0, 1], the part that is spread evenly over all classes. classes: how many there are, at least two; the
    first panel shows six of them. In the second the rest of the probability is spread evenly over the other classes.
    """
    share = epsilon / classes
    count = min(SHOWN, classes)
    figure = Figure(figsize=(9, 3), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.3])
    label = np.arange(count) == 1
    target = np.where(label, 1 - epsilon + share, share)
    left.bar(np.arange(count) - 0.2, label, 0.4, color=GREY, label="label")
    left.bar(np.arange(count) + 0.2, target, 0.4, color=BLUE, label=f"smoothed label, ε = {epsilon:g}")
    panel(left, f"Target q: {count} of {classes} classes, the label is 1")
    left.set(yscale="log", ylim=(1e-4, 12), xticks=range(count))
    left.set_xlabel(f"class; {target.max():.3g} at the label, {share:.2g} elsewhere")
    left.legend(frameon=False, fontsize=8, loc="upper right")

    logit = np.linspace(-4, 16, 300)  # of the right class, above all others
    rest = np.log(classes - 1)
    log_p, log_other = -np.logaddexp(0, rest - logit), -np.logaddexp(logit, rest)
    for part, colour, line, name in ((0, GREY, "--", "label"), (epsilon, BLUE, "-", "smoothed label")):
        q = 1 - part + part / classes
        right.plot(logit, -q * log_p - (1 - q) * log_other, line, color=colour, label=name)
    q = 1 - epsilon + share
    floor = -q * np.log(q) - (classes - 1) * share * np.log(share) if epsilon else 0.0
    right.axhline(floor, color=VERMILION, linewidth=1, linestyle=":", label=f"least: {floor:.2f}")
    panel(right, "Identity loss")
    right.set(xlabel="logit of the right class − logit of the others", ylim=(0, None))
    right.legend(frameon=False, fontsize=8)
    return figure
