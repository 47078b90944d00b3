"""RGA's score of a node as a row of matrices, each as wide as there are nodes; one node's column is lit in all."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rga.plot.style import BLUE, DPI, GREY, VERMILION

N = 1.3  # inches: the nodes, the width of every matrix
AT = 0.8  # of the width: where the lit node stands
# name: (left, bottom, height, formula above, size below)
BOXES = {
    "x": (0.15, 1.5, 0.85, "$x$", "D × N"),
    "theta": (2.05, 2.85, 0.3, r"$\Theta$  looks for", "D/8 × N"),
    "phi": (2.05, 1.95, 0.3, r"$\Phi$  offers", "D/8 × N"),
    "psi": (2.05, 0.45, 0.3, r"$\Psi$  shows itself", "D/8 × N"),
    "r": (3.95, 1.55, N, r"$R = \Theta^{\!\top}\Phi$", "N × N"),
    "stack": (5.85, 0.95, 2 * N, r"$R^{\!\top}$ on $R$", "2N × N"),
    "relation": (7.75, 2.1, 0.42, r"relu $e$", "K × N"),
    "unary": (7.75, 0.57, 0.07, r"mean $\psi$", "1 × N"),
    "y": (9.6, 1.5, 0.49, r"$y$", "(1 + K) × N"),
    "gate": (11.6, 1.72, 0.07, r"$a$ = sigmoid(logit)", "1 × N"),
}
ARROWS = [  # (from, to, layers); straight, from the right edge to the left one
    ("x", "theta", "embed"),
    ("x", "phi", ""),
    ("x", "psi", ""),
    ("theta", "r", ""),
    ("phi", "r", ""),
    ("r", "stack", ""),
    ("stack", "relation", "relate"),
    ("psi", "unary", ""),
    ("relation", "y", ""),
    ("unary", "y", ""),
    ("y", "gate", "hidden\nlogit"),
]


def module_diagram() -> Figure:
    """From features (D, N) to gates (1, N): embeddings, relations, the stack, and what belongs to one node in each.

    N nodes, D features each, K = N/8 numbers that summarise a node's relations.
    """
    width, height = 13.05, 4.4
    figure = Figure(figsize=(width, height), dpi=DPI, layout="none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    ax.set_axis_off()
    for name, (x, y, high, formula, size) in BOXES.items():
        ax.add_patch(Rectangle((x, y), N, high, facecolor="#f1f1f1", edgecolor=GREY, linewidth=1))
        ax.text(x + N / 2, y + high + 0.09, formula, ha="center", va="bottom", fontsize=10.5)
        ax.text(x + N / 2, y - 0.07, size, ha="center", va="top", fontsize=9, color=GREY)
        for left, bottom, wide, tall, colour in _lit(name, x, y, high):
            ax.add_patch(Rectangle((left, bottom), wide, tall, facecolor=colour, edgecolor="none"))
    for start, end, words in ARROWS:
        (x, y, high, *_), (to_x, to_y, to_high, *_) = BOXES[start], BOXES[end]
        tail, head = (x + N + 0.04, y + high / 2), (to_x - 0.04, to_y + to_high / 2)
        ax.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2})
        middle = (tail[0] + head[0]) / 2, max(tail[1], head[1]) + 0.1
        ax.text(*middle, words, fontsize=9, ha="center", va="bottom")
    ax.text(
        0.15,
        height - 0.12,
        "lit: what belongs to node i; its row of R is blue, its column orange",
        fontsize=10.5,
        va="top",
    )
    layers = "embed, relate, hidden, logit: 1 × 1 convolution, BatchNorm, and ReLU but for the last"
    ax.text(0.15, height - 0.37, layers, fontsize=9.5, va="top", color=GREY)
    return figure


def _lit(name: str, x: float, y: float, high: float) -> list[tuple[float, float, float, float, str]]:
    """(left, bottom, width, height, colour) of what belongs to the node."""
    thin, at = 0.05, x + AT * N
    column = at, y, thin, high
    if name == "r":
        return [(x, y + (1 - AT) * high - thin, N, thin, BLUE), (*column, VERMILION)]
    if name == "stack":
        return [(at, y + high / 2, thin, high / 2, BLUE), (at, y, thin, high / 2, VERMILION)]
    return [(*column, BLUE)]
