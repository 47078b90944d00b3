"""One style for all figures: colours, sizes, and the parts that several of them share."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure

from rga.metrics.inputs import as_numpy

BLUE, GREEN, VERMILION = "#0072B2", "#009E73", "#D55E00"
ORANGE, PURPLE, GREY = "#E69F00", "#CC79A7", "#777777"
HEAT = colormaps["inferno"].resampled(12)  # 12 steps: values can be read off, and the PNG stays small
WIDTH = 10  # inches: a JupyterLab cell
PANEL = 0.67  # inches: one person, the pixels of a 128 × 64 crop, which keeps a notebook small
DPI = 96


def rgb(images) -> np.ndarray:
    """(B, 3, H, W) uint8, or float in 0..1 -> (B, H, W, 3) uint8."""
    array = as_numpy(torch.as_tensor(images))
    if array.ndim != 4 or array.shape[1] != 3 or not len(array):
        raise ValueError(f"expected images (B, 3, H, W), at least one, got the shape {array.shape}.")
    if array.dtype != np.uint8:
        if not (array.min() >= -1e-3 and array.max() <= 1 + 1e-3):
            raise ValueError(
                "expected uint8 images or floats between 0 and 1, "
                f"got {array.min():.2f} to {array.max():.2f}. "
                "Undo the normalisation first: rga.data.transforms.denormalise(images)."
            )
        array = (array.clip(0, 1) * 255).round().astype(np.uint8)
    return array.transpose(0, 2, 3, 1)


def as_maps(name: str, values, people: int) -> np.ndarray:
    """(B, h, w) or (B, 1, h, w) -> (B, h, w) float32."""
    array = torch.as_tensor(values).detach().float().cpu().numpy()
    array = array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array
    if array.ndim != 3 or len(array) != people:
        raise ValueError(
            f"expected maps of {name} ({people}, h, w) or ({people}, 1, h, w), got {array.shape}."
        )
    return array


def as_array(values) -> np.ndarray:
    return torch.as_tensor(values).detach().double().cpu().numpy()


def sheet(width: float, height: float) -> Figure:
    """An empty figure, in inches, whose panels lie close together."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.03, hspace=0)
    return figure


def panel(ax, title: str) -> None:
    ax.set_title(title, fontsize=10, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)


def frame(ax, colour: str, line, width: float) -> None:
    ax.set_axis_on()
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, edgecolor=colour, linestyle=line, linewidth=width, capstyle="butt")


def name_rows(axes, labels: Sequence[str]) -> None:
    for ax, label in zip(axes, labels, strict=True):
        ax.set_axis_off()
        ax.text(0.95, 0.5, label, fontsize=9, ha="right", va="center", transform=ax.transAxes)


def show_people(axes, people, titles: Sequence[str] = ()) -> None:
    for ax, person in zip(axes, people, strict=True):
        ax.set_axis_off()
        ax.imshow(person)
    for ax, title in zip(axes, titles, strict=False):
        ax.set_title(title, fontsize=8)


def caption(figure: Figure, what: str, scale: str) -> None:
    figure.suptitle(f"{what}\n{scale}", fontsize=10)


def where(stage: str, size: tuple[int, int], person: np.ndarray) -> str:
    height, width = (f"{pixels / cells:g}" for pixels, cells in zip(person.shape, size, strict=False))
    return f"{stage}, {size[0]} × {size[1]} positions of {height} × {width} pixels"
