"""Boards of coloured cells, the cells that should be open, and the gates of several methods as they learn."""

from collections.abc import Mapping, Sequence

from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from rga.plot.style import BLUE, GREEN, GREY, HEAT, ORANGE, as_array, name_rows, sheet

COLOURS = ListedColormap([BLUE, ORANGE, GREEN])
Gates = Mapping[int, object]  # {after so many steps: (N,)}


def toy_gates(
    boards: Mapping[str, tuple[object, object, Mapping[str, Gates]]], size: tuple[int, int]
) -> Figure:
    """A row a task: its board, the cells to open, then each method's gates after some steps of training.

    Args:
        boards: {task: (colours (N,) of 0, 1, 2; wanted (N,); {method: {steps: gates (N,) in 0..1}})}; all tasks
            have the same methods and steps.
        size: (height, width) of a board, N = height · width.

    Raises:
        ValueError: for no board, and tasks of other methods or steps.
    """
    layouts = {tuple((name, *gates) for name, gates in methods.items()) for _, _, methods in boards.values()}
    if len(layouts) != 1:
        raise ValueError(f"expected boards of the same methods and steps, got {sorted(layouts) or 'none'}.")
    (methods,) = layouts
    ratios = [1.7, 1, 1] + [r for _, *steps in methods for r in [0.3] + [1] * len(steps)]
    panel = 0.7
    figure = sheet(panel * sum(ratios) + 1.2, len(boards) * (panel * size[0] / size[1] + 0.12) + 1.0)
    grid = figure.subplots(len(boards), len(ratios), squeeze=False, width_ratios=ratios)
    for ax in grid.flat:
        ax.set_axis_off()
    name_rows(grid[:, 0], list(boards))
    for row, (colour, wanted, by_method) in zip(grid, boards.values(), strict=True):
        row[1].imshow(as_array(colour).reshape(size), cmap=COLOURS, vmin=0, vmax=2)
        show = {"cmap": HEAT, "vmin": 0, "vmax": 1, "interpolation": "nearest"}
        row[2].imshow(as_array(wanted).reshape(size), **show)
        at = 3
        for gates in by_method.values():
            for ax, values in zip(row[at + 1 :], gates.values(), strict=False):
                shown = ax.imshow(as_array(values).reshape(size), **show)
            at += 1 + len(gates)
    _head(grid[0], methods)
    bar = figure.colorbar(shown, ax=grid, fraction=0.02, pad=0.01, ticks=[0, 1], shrink=0.7)
    bar.ax.set_yticklabels(["0, closed", "1, open"], fontsize=8, color=GREY)
    figure.suptitle("Gates on one board, after so many steps of training", fontsize=10)
    return figure


def _head(row: Sequence, methods: tuple) -> None:
    row[1].set_title("colours", fontsize=9)
    row[2].set_title("to open", fontsize=9)
    at = 3
    for name, *steps in methods:
        for k, step in enumerate(steps):
            row[at + 1 + k].set_title(f"{name if k == 0 else ''}\n{step}", fontsize=9)
        at += 1 + len(steps)
