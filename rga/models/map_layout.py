"""Where the feature map is in a stage's output: (B, C, H, W), channels last as in Swin, or the tokens of a ViT."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

SPECIAL_TOKENS = 16  # at most so many stand before those of the positions: class, distillation, registers


class Layout(NamedTuple):
    """How a stage's output holds a feature map of `channels` on `grid`."""

    kind: str  # "NCHW", "NHWC" or "tokens"
    channels: int
    grid: tuple[int, int]  # (height, width)
    special: int = 0  # tokens before those of the positions

    def to_map(self, output: Tensor) -> Tensor:
        """(B, C, H, W), (B, H, W, C) or (B, special + H W, C) -> (B, C, H, W)."""
        if self.kind == "NHWC":
            return output.permute(0, 3, 1, 2)
        if self.kind == "tokens":
            return output[:, self.special :].mT.unflatten(2, self.grid)
        return output

    def from_map(self, x_BCHW: Tensor, output: Tensor) -> Tensor:
        """The map in the layout of `output`, whose special tokens stay."""
        if self.kind == "NHWC":
            return x_BCHW.permute(0, 2, 3, 1)
        if self.kind == "tokens":
            return torch.cat([output[:, : self.special], x_BCHW.flatten(2).mT], dim=1)
        return x_BCHW


class OnLayout(nn.Module):
    """An attention on (B, C, H, W) for outputs of another layout."""

    def __init__(self, attention: nn.Module, layout: Layout) -> None:
        super().__init__()
        self.attention, self.layout = attention, layout

    def forward(self, output: Tensor) -> Tensor:
        x_BCHW = self.layout.to_map(output)
        return self.layout.from_map(self.attention(x_BCHW), output)


def find_layout(name: str, output: object, size: tuple[int, int]) -> Layout:
    """The layout of a stage's output for one image of `size` (height, width).

    A map is as much smaller than the image in height as in width, which tells channels from positions. Raises
    ValueError for an output that is no feature map.
    """
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    if len(shape) == 4:
        kinds = (Layout("NCHW", shape[1], shape[2:]), Layout("NHWC", shape[3], shape[1:3]))
        best = min(kinds, key=lambda layout: _misfit(layout.grid, size))
        if _misfit(best.grid, size) <= 1.5:
            return best
    if len(shape) == 3:
        for special in range(SPECIAL_TOKENS + 1):
            if grid := _grid(shape[1] - special, size):
                return Layout("tokens", shape[2], grid, special)
    got = f"shape {shape}" if shape else type(output).__name__
    raise ValueError(
        f"stage {name!r} does not output one feature map of an image of {size[0]} × {size[1]}: expected (B, C, H, W), "
        f"(B, H, W, C) or tokens (B, N, C), got {got}. Choose another stage."
    )


def _misfit(grid: tuple[int, ...], size: tuple[int, int]) -> float:
    """By how many cells a grid is not an image's with both sides divided by one number; padding and rounding give 1."""
    stride = max(size[0] / grid[0], size[1] / grid[1], 1)
    return max(abs(cells - pixels / stride) for cells, pixels in zip(grid, size, strict=True))


def _grid(positions: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """(height, width) with the ratio of the image and so many positions, if there is one."""
    if positions <= 0:
        return None
    height = round(math.sqrt(positions * size[0] / size[1]))
    if not height or positions % height or height * size[1] != positions // height * size[0]:
        return None
    return height, positions // height
