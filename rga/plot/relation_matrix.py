"""The relation matrix as a heat map: row i and column i lit, and where both stand in the stack."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rga.plot.style import HEAT, VERMILION, as_array, sheet

SKY = "#56B4E9"  # a blue that is seen on dark cells
NUMBERED = 8  # up to so many nodes there is room for the numbers themselves


def relation_matrix(relation, i: int) -> Figure:
    """R (N, N) beside the stack of R^T and R (2N, N): row i of R stands in column i of the upper half.

    Raises:
        ValueError: for anything but a square matrix, and a node that it does not have.
    """
    r = as_array(relation)
    if r.ndim != 2 or r.shape[0] != r.shape[1]:
        raise ValueError(f"expected relations (N, N), got {r.shape}.")
    if not 0 <= i < len(r):
        raise ValueError(f"{i} is not a node: they are 0 to {len(r) - 1}.")
    n = len(r)
    figure = sheet(7.6, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    draw_matrix(left, r, i)
    shown = draw_stack(right, r, i)
    if n <= NUMBERED:
        _numbers(left, r)
        _numbers(right, [*r.T, *r])
    left.set(xticks=range(n) if n <= NUMBERED else [i], yticks=range(n) if n <= NUMBERED else [i])
    figure.colorbar(shown, ax=right, fraction=0.05, pad=0.03)
    figure.suptitle(
        f"Node {i}: what it finds, its row (blue), and what finds it, its column (orange)", fontsize=10
    )
    return figure


def draw_matrix(ax, r, i: int):
    """R on one panel, row i framed in blue, column i in orange."""
    n = len(r)
    shown = ax.imshow(r, cmap=HEAT, vmin=min(0, r.min()), vmax=max(r.max(), 1e-12), interpolation="nearest")
    ax.add_patch(Rectangle((i - 0.5, -0.5), 1, n, fill=False, edgecolor=VERMILION, linewidth=2.5))
    ax.add_patch(Rectangle((-0.5, i - 0.5), n, 1, fill=False, edgecolor=SKY, linewidth=2.5))
    ax.set_title(f"R: {n} × {n}", fontsize=10)
    ax.set_xlabel("j", fontsize=9)
    ax.set_ylabel("i", fontsize=9, rotation=0)
    ax.tick_params(labelsize=8)
    return shown


def draw_stack(ax, r, i: int):
    """R^T on R on one panel, column i framed: the half that is row i in blue, the other in orange."""
    n = len(r)
    both = [*r.T, *r]
    shown = ax.imshow(
        both, cmap=HEAT, vmin=min(0, r.min()), vmax=max(r.max(), 1e-12), interpolation="nearest"
    )
    for start, colour in ((0, SKY), (n, VERMILION)):
        ax.add_patch(Rectangle((i - 0.5, start - 0.5), 1, n, fill=False, edgecolor=colour, linewidth=2.5))
    ax.axhline(n - 0.5, color="white", linewidth=1.5)
    ax.set_title(f"stack: {2 * n} × {n}", fontsize=10)
    ax.set(xticks=[i], yticks=[(n - 1) / 2, (3 * n - 1) / 2], yticklabels=["$R^{\\top}$", "$R$"])
    ax.tick_params(labelsize=9, length=0)
    return shown


def _numbers(ax, rows) -> None:
    highest = max(max(row) for row in rows)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            colour = "black" if value > 0.6 * highest else "white"
            ax.text(j, i, f"{value:g}", ha="center", va="center", fontsize=8, color=colour)
