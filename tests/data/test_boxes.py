"""Boxes on a frame: which pixels they hold, and what is said of boxes that are none."""

import numpy as np
import pytest
import torch
from PIL import Image

from rga.data import crop_boxes

HEIGHT, WIDTH = 20, 30


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def same(crop, pixels):
    assert crop.dtype == torch.uint8
    np.testing.assert_array_equal(crop.permute(1, 2, 0), pixels)


def test_boxes_are_left_top_right_bottom(frame):
    first, second = crop_boxes(frame, [(2, 3, 7, 13), (0, 0, WIDTH, HEIGHT)])
    assert first.shape == (3, 10, 5)
    same(first, frame[3:13, 2:7])
    same(second, frame)


@pytest.mark.parametrize(
    "box, rows, columns",
    [
        ((2.9, 3.1, 7.1, 12.9), slice(3, 13), slice(2, 8)),  # outwards
        ((2.2, 3.2, 2.4, 3.4), slice(3, 4), slice(2, 3)),  # never empty
        ((-9, -0.5, 4, 3), slice(0, 3), slice(0, 4)),  # over the edges
        ((25.5, 18, 99, 21), slice(18, 20), slice(25, 30)),
        ((-5, -5, 99, 99), slice(0, 20), slice(0, 30)),
        ((0, 0, 1, 1), slice(0, 1), slice(0, 1)),
    ],
)
def test_boxes_become_whole_pixels_inside_the_frame(frame, box, rows, columns):
    (crop,) = crop_boxes(frame, [box])
    same(crop, frame[rows, columns])


def test_parts_are_views(frame):
    (crop,) = crop_boxes(frame, [(2, 3, 7, 13)])
    frame[3, 2] = 1, 2, 3
    assert crop[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "boxes",
    [
        [[2, 3, 7, 13]],
        np.array([[2, 3, 7, 13]]),
        np.float32([[2, 3, 7, 13]]),
        torch.tensor([[2, 3, 7, 13]]),
        torch.tensor([[2.0, 3, 7, 13]], requires_grad=True),
        torch.tensor([[2.0, 3, 7, 13]], dtype=torch.bfloat16),
        [torch.tensor([2.0, 3, 7, 13])],
        [np.array([2, 3, 7, 13])],
    ],
    ids=lambda boxes: f"{type(boxes).__name__} {getattr(boxes, 'dtype', type(boxes[0]).__name__)}",
)
def test_kinds_of_boxes(frame, boxes):
    (crop,) = crop_boxes(frame, boxes)
    same(crop, frame[3:13, 2:7])


def test_kinds_of_frames(frame, tmp_path):
    Image.fromarray(frame).save(tmp_path / "frame.png")
    flipped = np.ascontiguousarray(frame[..., ::-1])  # BGR
    for image in (
        tmp_path / "frame.png",
        str(tmp_path / "frame.png"),
        Image.fromarray(frame),
        torch.from_numpy(frame).permute(2, 0, 1),
        flipped[..., ::-1],
    ):
        (crop,) = crop_boxes(image, [(2, 3, 7, 13)])
        same(crop, frame[3:13, 2:7])
    (grey,) = crop_boxes(frame[..., 0], [(2, 3, 7, 13)])
    same(grey, frame[3:13, 2:7, :1].repeat(3, 2))


@pytest.mark.parametrize("none", [[], np.empty((0, 4)), torch.empty(0, 4)])
def test_no_boxes_no_parts(frame, none):
    assert crop_boxes(frame, none) == []


@pytest.mark.parametrize(
    "boxes, message",
    [
        ([2, 3, 7, 13], r"expected boxes \(N, 4\), got \(4,\): give a list even for one box"),
        ([[2, 3, 7, 13, 0.9]], r"expected boxes \(N, 4\), got \(1, 5\).*without scores"),
        ([[2, 3, 7, 13], [2, np.nan, 7, 13]], r"boxes\[1\]: expected numbers, got \(2, nan, 7, 13\)"),
        ([[2, 3, np.inf, 13]], r"boxes\[0\]: expected numbers"),
        ([[0.1, 0.2, 0.3, 0.9]], "got fractions of the frame .* left and right by its width, 30"),
        ([[2, 3, 7, 13], [20, 3, 7, 13]], r"boxes\[1\]: expected .*left < right.* add left to width"),
        ([[2, 13, 7, 5]], r"boxes\[0\]: expected .*top < bottom.*got \(2, 13, 7, 5\)"),
        ([[2, 3, 2, 13]], r"boxes\[0\]: expected .*left < right"),
        (
            [[2, 3, 7, 13], [30, 3, 37, 13]],
            r"boxes\[1\]: .*frame of 30 × 20 .*\(30, 3, 37, 13\), which lies out",
        ),
        ([[2, -9, 7, 0]], r"boxes\[0\]: .*lies outside"),
    ],
)
def test_what_is_no_box_is_named(frame, boxes, message):
    for given in (boxes, torch.tensor(boxes)):
        with pytest.raises(ValueError, match=message):
            crop_boxes(frame, given)


@pytest.mark.parametrize("boxes", [[[2, 3, 7, 13], [2, 3, 7]], [{"box": 1}], [["a", "b", "c", "d"]], None, 7])
def test_other_things_are_no_boxes(frame, boxes):
    with pytest.raises(ValueError, match=r"expected boxes \(N, 4\), got"):
        crop_boxes(frame, boxes)


def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(ValueError, match=r"frame: expected a uint8 array .*got float32"):
        crop_boxes(np.float32(frame), [(2, 3, 7, 13)])
    with pytest.raises(ValueError, match=r"frame: expected a path.* got NoneType"):
        crop_boxes(None, [])
