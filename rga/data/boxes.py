"""Boxes on a frame, as a detector gives them, become images of one person each."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from rga.data.images import Picture, check_image, to_rgb


def crop_boxes(image: Picture, boxes: np.ndarray | Tensor | Sequence[Sequence[float]]) -> list[Tensor]:
    """The parts of a frame that lie in boxes, in their order: uint8 RGB (3, h, w) each, for `rga.embed`.

    Edges between pixels are moved outwards, to whole pixels, and what lies outside the frame is cut off. The parts are
    views: they keep the memory of the frame, and `part.clone()` does not.

    Args:
        image: the frame, a path, PIL image, array or tensor as in `rga.embed`.
        boxes: (N, 4), each (left, top, right, bottom) in pixels from the frame's top left corner; N may be 0.

    Raises:
        ValueError: boxes of another shape, NaN, in fractions of the frame, without width or height, or outside the
            frame; and, as FileNotFoundError, what `rga.data.images.to_rgb` raises.
    """
    check_image(image, "frame")
    frame = to_rgb(image)
    height, width = frame.shape[1:]
    if isinstance(boxes, Tensor):
        boxes = boxes.detach().cpu().double()  # numpy has no bfloat16
    try:
        boxes = np.asarray(boxes, dtype=np.float64)
        got = boxes.shape
    except (TypeError, ValueError):
        got = "something else than rows of four numbers"
    if got in {(0,), (0, 4)}:
        return []
    if got[1:] != (4,):
        raise ValueError(
            f"expected boxes (N, 4), got {got}: give a list even for one box, and of each box left, top, right and "
            "bottom only, without scores or classes."
        )
    if 0 <= boxes.min() and boxes.max() <= 1 and (boxes % 1).any():
        raise ValueError(
            f"expected boxes in pixels, got fractions of the frame such as {_show(boxes[0])}: multiply left and right "
            f"by its width, {width}, top and bottom by its height, {height}."
        )
    return [_crop(frame, box, number) for number, box in enumerate(boxes)]


def _crop(frame: Tensor, box: np.ndarray, number: int) -> Tensor:
    height, width = frame.shape[1:]
    if not np.isfinite(box).all():
        raise ValueError(
            f"boxes[{number}]: expected numbers, got {_show(box)}: leave it out, or look why the detector is broken."
        )
    left, top, right, bottom = box
    if right <= left or bottom <= top:
        raise ValueError(
            f"boxes[{number}]: expected (left, top, right, bottom) with left < right and top < bottom, got "
            f"{_show(box)}. Boxes (left, top, width, height) look like this: add left to width and top to height."
        )
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise ValueError(
            f"boxes[{number}]: expected a part of the frame of {width} × {height} pixels (width × height), got "
            f"{_show(box)}, which lies outside it: leave it out. Is it of another frame, or of a resized one?"
        )
    rows = slice(max(int(np.floor(top)), 0), int(np.ceil(bottom)))
    columns = slice(max(int(np.floor(left)), 0), int(np.ceil(right)))
    return frame[:, rows, columns]


def _show(box: np.ndarray) -> str:
    return f"({', '.join(f'{edge:g}' for edge in box)})"
