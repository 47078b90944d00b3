"""One picture under several marks: the gate moves with the mark."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from rga.plot.style import GREY, HEAT, as_maps, caption, name_rows, rgb, sheet

SIDE = 1.45  # inches of a small picture


def moving_gates(
    images, gates, titles: Sequence[str] = (), size: int = 3, title: str | None = None
) -> Figure:
    """A column a picture: the picture, its gate, and the picture where its gate is open.

    Args:
        images: (B, 3, H, W), see `rga.plot.images`; groups of `size` show the same under different marks.
        gates: (B, h, w) or (B, 1, h, w).
        titles: one for each picture.
        size: pictures of a group; groups stand apart.
        title: of the figure.

    Raises:
        ValueError: for gates of other pictures.
    """
    pictures, maps = rgb(images), as_maps("the gate", gates, len(images))
    highest = float(maps.max()) or 1.0
    groups = [min(size, len(pictures) - first) for first in range(0, len(pictures), size)]
    ratios = [ratio for group in groups for ratio in [1.0] * group + [0.18]][:-1]
    labels = ["picture", "gate", "picture\n× gate"]
    figure = sheet(0.9 + SIDE * sum(ratios) + 0.6, 0.75 + (SIDE + 0.05) * len(labels))
    grid = figure.subplots(len(labels), 1 + len(ratios), squeeze=False, width_ratios=[0.5, *ratios])
    for ax in grid.flat:
        ax.set_axis_off()
    name_rows(grid[:, 0], labels)
    large = F.interpolate(torch.from_numpy(maps)[:, None], pictures.shape[1:3], mode="nearest")[:, 0].numpy()
    for i, (picture, gate) in enumerate(zip(pictures, large, strict=True)):
        column = grid[:, 1 + i + i // size]
        column[0].imshow(picture, interpolation="nearest")
        shown = column[1].imshow(gate, cmap=HEAT, vmin=0, vmax=highest, interpolation="nearest")
        opened = (picture * (gate / highest)[..., None]).astype("uint8")
        column[2].imshow(opened, interpolation="nearest")
        if i < len(titles):
            column[0].set_title(titles[i], fontsize=10)
    bar = figure.colorbar(shown, ax=grid[1], fraction=0.03, pad=0.01, ticks=[0, highest])
    bar.ax.set_yticklabels(["0, closed", f"{highest:.1f}, open"], fontsize=8, color=GREY)
    caption(
        figure, title or "The same digits, another mark: the gate moves", "one colour scale for all gates"
    )
    return figure
