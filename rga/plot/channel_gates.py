"""Channel attention: channels ranked by their gates, and what they respond to."""

import numpy as np
from matplotlib.figure import Figure

from rga.plot.style import (
    BLUE,
    DPI,
    PANEL,
    VERMILION,
    as_array,
    caption,
    name_rows,
    panel,
    rgb,
    show_people,
    where,
)


def rank_channels(gates) -> np.ndarray:
    """(C,): the channels from the most open to the most closed, by the mean of their gates over the images.

    gates: (B, C), or as captured: (B, 1, C, 1) or (B, C, 1, 1).
    """
    return np.argsort(-_gates(gates).mean(0), kind="stable")


def strongest_images(activations, channel: int, top: int) -> np.ndarray:
    """(top,): the images with a channel's highest mean activation, highest first. activations: (B, C, h, w)."""
    return np.argsort(-as_array(activations)[:, channel].mean((1, 2)), kind="stable")[:top]


def channels(images, activations, gates, stage: str, k: int = 3, top: int = 4) -> Figure:
    """The channels whose gates are most open and most closed, and the images to which each responds most.

    An image has its colours where the channel is active at least half as much as at its most active position there,
    and is dark elsewhere.

    Args:
        images: (B, 3, H, W).
        activations: (B, C, h, w), the input of the gates.
        gates: as in `rank_channels`.
        stage: for the title.
        k: channels of either kind.
        top: images of each channel, see `strongest_images`.

    Raises:
        ValueError: for shapes that do not fit, and where there is nothing to show.
    """
    people, values, gates = rgb(images), as_array(activations), _gates(gates)
    if values.ndim != 4 or not len(people) == len(values) == len(gates) or values.shape[1] != gates.shape[1]:
        raise ValueError(
            f"expected activations (B, C, h, w) and gates (B, C) of {len(people)} images, "
            f"got {values.shape} and {gates.shape}."
        )
    order, means = rank_channels(gates), gates.mean(0)
    k, top = min(k, len(order) // 2), min(top, len(people))
    if min(k, top) < 1:
        raise ValueError(
            f"expected at least 2 channels, the most open and the most closed, and to show at least 1 of either kind "
            f"with 1 image, got {len(order)} channels, k={k} and top={top}."
        )
    ratios = [0.9] + [PANEL] * top  # inches, of one half
    width, below = max(2 * sum(ratios) + 0.3, 5.6), k * PANEL * people.shape[1] / people.shape[2]
    height = below + 2.35
    figure = Figure(figsize=(width, height), dpi=DPI, layout="none")  # by hand: layouts shrink images
    ranks = figure.add_axes((0.5 / width, (below + 0.6) / height, 1 - 0.6 / width, 0.9 / height))
    _ranks(ranks, gates[:, order], k)
    for name, chosen, left in (("open", order[:k], 0), ("closed", order[::-1][:k], 0.5)):
        right = left + sum(ratios) / width
        half = figure.add_gridspec(
            k, len(ratios), width_ratios=ratios, wspace=0.05, hspace=0.05,
            left=left, right=right, bottom=0, top=below / height,
        ).subplots(squeeze=False)  # fmt: skip
        name_rows(half[:, 0], [f"channel {channel}\ngate {means[channel]:.3f}" for channel in chosen])
        half[0, 1].set_title(f"the {k} most {name}" if k > 1 else f"the most {name}", fontsize=9, loc="left")
        for channel, row in zip(chosen, half[:, 1:], strict=True):
            best = strongest_images(values, channel, top)
            show_people(row, [_lit(people[i], values[i, channel]) for i in best])
    those = "the image" if top == 1 else f"the {top} images"
    caption(
        figure,
        f"Channels by their gates, and {those} with each channel's highest mean activation",
        f"{where(stage, values.shape[2:], people[0])}; in colour: at least half of its highest in the image",
    )
    return figure


def _ranks(ax, gates: np.ndarray, k: int) -> None:
    """Gates (B, C) of ranked channels as a curve, the first and last k marked."""
    rank, mean = np.arange(gates.shape[1]), gates.mean(0)
    low, high = np.quantile(gates, (0.1, 0.9), axis=0)
    ax.fill_between(rank, low, high, color=BLUE, alpha=0.25, linewidth=0, label="10 % to 90 % of images")
    ax.plot(rank, mean, color=BLUE, linewidth=1.5, label="mean of images")
    ends = np.r_[rank[:k], rank[-k:]]
    ax.plot(ends, mean[ends], "o", color=VERMILION, markersize=4, label="shown below")
    panel(ax, f"gates of {len(rank)} channels, ranked from open to closed")
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left")


def _lit(person: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> same: dark and grey where a map (h, w) is below half of its maximum."""
    rows, columns = (np.arange(n) * cells // n for n, cells in zip(person.shape, values.shape, strict=False))
    active = ((values > 0) & (values >= values.max() / 2))[np.ix_(rows, columns)][..., None]
    return np.where(active, person, person.mean(2, keepdims=True) * 0.35).astype(np.uint8)


def _gates(gates) -> np.ndarray:
    array = as_array(gates)
    return array.reshape(len(array), -1)
