"""The whole course in one diagram, from batch to ranking, with a "you are here"."""

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from rga.plot.style import BLUE, DPI, GREY, VERMILION

# part: (left, bottom, width, height, words); the unit is an inch
BOXES = {
    "data": (0.05, 1.0, 1.05, 0.8, "batch\nP people × K\nB × 3 × H × W"),
    "module": (1.55, 0.92, 3.7, 0.96, ""),
    "pool": (5.6, 1.1, 0.85, 0.6, "pool → f\nB × F"),
    "neck": (6.85, 1.1, 0.95, 0.6, "BN neck → e\nB × F"),
    "classifier": (8.2, 1.1, 1.1, 0.6, "classifier → z\nB × classes"),
    "triplet": (5.45, 2.15, 1.15, 0.5, "triplet loss"),
    "identity": (8.1, 2.15, 1.3, 0.5, "cross-entropy"),
    "ranking": (6.45, 0.1, 1.75, 0.5, "distances → ranking"),
}
ARROWS = [
    ((1.1, 1.4), (1.55, 1.4)),
    ((5.25, 1.4), (5.6, 1.4)),
    ((6.45, 1.4), (6.85, 1.4)),
    ((7.8, 1.4), (8.2, 1.4)),
    ((6.02, 1.7), (6.02, 2.15)),
    ((8.75, 1.7), (8.75, 2.15)),
    ((7.32, 1.1), (7.32, 0.6)),
]
STAGES = (1.65, 2.55, 3.45, 4.35)  # left edges
NOTEBOOKS = {
    "01": {"data"},
    "02": {"module"},
    "03": {"data", "module", "pool", "neck", "classifier", "triplet", "identity"},
    "04": {"neck", "ranking"},
    "05": {"module", "ranking"},
    "06": {"module"},
}


def overview(here: str) -> Figure:
    """The diagram with the parts lit that a notebook is about.

    Args:
        here: the notebook's number, such as "02".

    Raises:
        ValueError: for a notebook that there is not.
    """
    if here not in NOTEBOOKS:
        raise ValueError(f"expected one of {', '.join(NOTEBOOKS)}, got {here!r}.")
    lit = NOTEBOOKS[here]
    figure = Figure(figsize=(9.5, 2.75), dpi=DPI, layout="none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 9.5), ylim=(0, 2.75))
    ax.set_axis_off()
    for (x, y), (to_x, to_y) in ARROWS:
        arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2}
        ax.annotate("", (to_x, to_y), (x, y), arrowprops=arrow)
    for name, (x, y, width, height, words) in BOXES.items():
        _box(ax, (x, y, width, height), name in lit)
        ax.text(x + width / 2, y + height / 2, words, ha="center", va="center", fontsize=8.5)
    for i, x in enumerate(STAGES, start=1):
        _box(ax, (x, 1.04, 0.38, 0.72), False)
        ax.text(x + 0.19, 1.4, f"stage {i}", ha="center", va="center", fontsize=8, rotation=90)
        _box(ax, (x + 0.44, 1.15, 0.36, 0.5), "module" in lit, VERMILION)
        ax.text(x + 0.62, 1.4, f"a$_{i}$⊙", ha="center", va="center", fontsize=8.5, color=VERMILION)
    ax.text(3.4, 2.0, "backbone; behind each stage a gate of RGA", ha="center", fontsize=8.5)
    ax.text(0.05, 2.5, f"you are here: notebook {here}, what is blue", fontsize=9, color=BLUE)
    ax.text(5.2, 2.4, "training", fontsize=8.5, color=GREY, ha="right", va="center")
    ax.text(6.3, 0.35, "retrieval", fontsize=8.5, color=GREY, ha="right", va="center")
    return figure


def _box(ax, place, lit: bool, colour: str = BLUE) -> None:
    x, y, width, height = place
    look = (
        {"edgecolor": colour, "facecolor": f"{colour}22"}
        if lit
        else {"edgecolor": GREY, "facecolor": "white"}
    )
    shape = "round,pad=0,rounding_size=0.06"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, linewidth=1.6 if lit else 0.9, **look))
