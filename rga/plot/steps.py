"""One node on its way through RGA: its relations, the stack, their summary, its gate."""

import numpy as np
from matplotlib.figure import Figure

from rga.plot.maps import position, relation_maps
from rga.plot.relation_matrix import SKY, draw_matrix
from rga.plot.style import BLUE, HEAT, VERMILION, as_array, caption, sheet
from rga.plot.toy_gates import COLOURS


def steps(board, relation, summary, gates, i: int, size: tuple[int, int], title: str = "") -> Figure:
    """Five steps of node i: where it is, R with its row and column, both as maps, what they are reduced to, the gate.

    Args:
        board: (h, w) of 0, 1, 2, colours as in `toy_gates`.
        relation: R of one image, (N, N), N = h · w.
        summary: what its 2N relations are reduced to, (K,).
        gates: (N,) of all nodes, in 0..1.
        i: the node.
        size: (h, w).
        title: of the figure.

    Raises:
        ValueError: for relations of another size, and a node that there is not.
    """
    at, r = position(i, size), as_array(relation)
    row, column = (relation_maps(r, size, [at], into)[0] for into in (False, True))
    figure = sheet(11.5, 3.4)
    grid = figure.subplots(1, 6, width_ratios=[1, 1.55, 1, 1, 1.5, 1])
    show = {"cmap": HEAT, "vmin": 0, "interpolation": "nearest"}
    grid[0].imshow(board, cmap=COLOURS, vmin=0, vmax=2)
    draw_matrix(grid[1], r, i)
    grid[1].set(xticks=[i], yticks=[i])
    for ax, values, colour in ((grid[2], row, SKY), (grid[3], column, VERMILION)):
        ax.imshow(values, vmax=max(r.max(), 1e-12), **show)
        for spine in ax.spines.values():
            spine.set(visible=True, edgecolor=colour, linewidth=2.5)
    e = as_array(summary)
    grid[4].barh(np.arange(len(e)), e, color=BLUE)
    grid[4].set(yticks=[], ylim=(len(e) - 0.5, -0.5))
    grid[4].tick_params(labelsize=8, length=0)
    gate = as_array(gates)
    shown = grid[5].imshow(gate.reshape(size), vmax=1, **show)
    for ax in (grid[0], grid[2], grid[3], grid[5]):
        ax.set(xticks=[], yticks=[])
        ax.spines[["left", "bottom"]].set_visible(ax in (grid[2], grid[3]))
        for colour, edge in (("black", 4), ("white", 2)):  # a white frame that is seen on white, too
            ax.plot(
                at[1],
                at[0],
                "s",
                markersize=15,
                markerfacecolor="none",
                markeredgecolor=colour,
                markeredgewidth=edge,
            )
    names = [f"1 · node {i}\nat {at}", "2 · all relations", "3 · its row:\nwhat it finds"]
    names += [
        "its column:\nwhat finds it",
        f"4 · {len(e)} sums\nof the 2N relations",
        f"5 · gates\nhere {gate[i]:.2f}",
    ]
    for ax, name in zip(grid, names, strict=True):
        ax.set_title(name, fontsize=9)
    figure.colorbar(shown, ax=grid[5], fraction=0.06, pad=0.04, ticks=[0, 1]).ax.tick_params(labelsize=8)
    caption(
        figure,
        title or "One node on its way through RGA",
        "colours of 2 and 3: from 0 to the highest relation of all",
    )
    return figure
