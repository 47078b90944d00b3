"""Two ways to bracket W (Phi^T Theta), drawn to scale: one makes an N x N matrix, the other only thin ones."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rga.plot.style import BLUE, DPI, GREY, VERMILION

SIDE = 1.5  # inches: the longest of N and d


def brackets(nodes: int, dim: int, reduction: int = 8, where: str = "") -> Figure:
    """W_row R^T with R^T = Phi^T Theta: K × N times (N × d times d × N), or (K × N times N × d) times d × N.

    The area of a matrix is its numbers. Multiply-adds are those of one half, the row's; the column's are as many.

    Args:
        nodes: N.
        dim: D, features of a node; d = D / reduction, K = N / reduction.
        reduction: of both embeddings.
        where: for the title.

    Raises:
        ValueError: for less than one.
    """
    if min(nodes, dim, reduction) < 1:
        raise ValueError(
            f"expected at least 1 of each, got {nodes} nodes, {dim} features, reduction {reduction}."
        )
    d, k = max(1, dim // reduction), max(1, nodes // reduction)
    row, phi, theta, out = (
        ("$W$", k, nodes),
        (r"$\Phi^{\top}$", nodes, d),
        (r"$\Theta$", d, nodes),
        ("$e$", k, nodes),
    )
    literal = [row, "(", phi, theta, ")"], ("$R^{\\top}$", nodes, nodes), [row, ("$R^{\\top}$", nodes, nodes)]
    cheap = ["(", row, phi, ")", theta], ("$W\\Phi^{\\top}$", k, d), [("$W\\Phi^{\\top}$", k, d), theta]
    costs = nodes * d * nodes + k * nodes * nodes, 2 * k * nodes * d
    figure = Figure(figsize=(11.8, 4.3), dpi=DPI, layout="none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 11.8), ylim=(0, 4.3))
    ax.set_axis_off()
    for y, (start, made, then), cost, colour in zip(
        (2.85, 0.95), (literal, cheap), costs, (VERMILION, BLUE), strict=True
    ):
        x = 0.15
        for part in [*start, "=", *then, "=", out]:
            x = _draw(ax, x, y, part, SIDE / max(nodes, d), colour if part == made else "#cccccc")
        numbers = made[1] * made[2]
        words = f"in the middle: {made[1]} × {made[2]}\n= {numbers:,} numbers\n{cost / 1e6:,.1f} million multiply-adds"
        ax.text(x + 0.1, y, words.replace(",", " "), fontsize=9.5, va="center", color=colour)
    sizes = f"N = {nodes}, d = D/{reduction} = {d}, K = N/{reduction} = {k}; drawn to scale"
    ax.text(0.15, 4.2, f"{where + ': ' if where else ''}{sizes}", fontsize=10.5, va="top")
    return figure


def _draw(ax, x: float, y: float, part: str | tuple[str, int, int], scale: float, colour: str) -> float:
    """A sign, or a matrix (name, rows, columns), from x on, centred at y; returns where the next one begins."""
    if isinstance(part, str):
        ax.text(x + 0.1, y, part, fontsize=26 if part in "()" else 16, ha="center", va="center", color=GREY)
        return x + 0.24
    name, rows, columns = part
    wide, high = max(scale * columns, 0.02), max(scale * rows, 0.02)
    ax.add_patch(Rectangle((x, y - high / 2), wide, high, facecolor=colour, edgecolor=GREY, linewidth=0.6))
    ax.text(x + wide / 2, y - high / 2 - 0.06, name, fontsize=10, ha="center", va="top")
    return x + max(wide, 0.3) + 0.12
