"""How fine a feature map is: its positions as cells on the image."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from rga.plot.style import DPI, rgb

COLUMN = 1.6  # inches: the words above a picture


def grids(images, sizes: Mapping[str, tuple[int, int]], width: float = 0.7) -> Figure:
    """A person a map, with the cells of its positions drawn in; further images stand in for the first in turn.

    images: (B, 3, H, W), see `rga.plot.images`. sizes: {name: (rows, columns) of the map}. width: of one, in inches.
    """
    pictures = rgb(images)
    height, across = pictures.shape[1:3]
    inches = max(COLUMN, width) * len(sizes), width * height / across + 0.5
    figure = Figure(figsize=inches, dpi=DPI, layout="constrained")
    for i, (ax, (name, (rows, columns))) in enumerate(
        zip(figure.subplots(1, len(sizes), squeeze=False).flat, sizes.items(), strict=True)
    ):
        ax.imshow(pictures[i % len(pictures)], extent=(0, across, height, 0))
        ax.set_axis_off()
        ax.set(xlim=(0, across), ylim=(height, 0))
        for row in range(rows + 1):
            ax.axhline(height * row / rows, color="white", linewidth=1.2)
        for column in range(columns + 1):
            ax.axvline(across * column / columns, color="white", linewidth=1.2)
        ax.set_title(f"{name}\n{rows} × {columns} positions", fontsize=9)
    return figure
