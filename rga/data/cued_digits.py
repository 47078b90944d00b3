"""Cued digits: small pictures of three digits, in which only a mark in the corner tells which of them is meant.

The class of a picture is the digit that is meant. It is meant because its hue is the mark's (cue "colour": hues are
random and continuous, so that they must be compared and cannot be learnt by heart), or because the mark stands in the
mark's field where the digit stands in the square of digits (cue "place"). The digits alone never tell: all hues are
drawn in the same way, whichever is meant.

The handwritings are scikit-learn's `load_digits` (E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten
Digits, UCI 1998: 1797 of 8 x 8 pixels). Those of one split are in no other.

Letters: B pictures, H x W pixels; always three digits, each in one of four cells.
"""

import math
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Cue = Literal["colour", "place"]
CUES: tuple[Cue, ...] = ("colour", "place")
SIZE = (32, 32)
SPLITS = {
    "train": (0, 1097),
    "validation": (1097, 1397),
    "test": (1397, 1797),
}  # handwritings, in the file's order
DIGITS = 3
DIGIT, CELL, MARK = 8, 10, 4  # pixels: a handwriting, its cell, the field of the mark
BOARD = SIZE[0] - 2 * CELL  # pixels before the square of digits: the mark, and a gap twice as wide


class CuedDigits(NamedTuple):
    """A batch; `masks` and `digits` are for scoring maps: no network is trained on them."""

    images: Tensor  # (B, 3, H, W) in 0..1
    labels: Tensor  # (B,), 0..9: the digit that is meant
    meant: Tensor  # (B,), 0..2: its number
    digits: Tensor  # (B, 3, H, W) booleans: the ink of each digit

    @property
    def masks(self) -> Tensor:
        """(B, H, W) booleans: the ink of the digit that is meant."""
        return self.digits[torch.arange(len(self.meant)), self.meant]


def draw(
    cue: Cue,
    count: int,
    generator: torch.Generator,
    split: str = "train",
    *,
    distractors: float = 1.0,
) -> CuedDigits:
    """`count` fresh pictures. distractors: the chance of each of the two other digits to be there.

    Raises ValueError for an unknown cue or split, and ModuleNotFoundError without scikit-learn.
    """
    scenes = _scenes(count, generator, split)
    meant = torch.randint(DIGITS, (count,), generator=generator)
    there = torch.rand(count, DIGITS, generator=generator) < distractors
    there[torch.arange(count), meant] = True
    return _render(cue, *scenes, meant, there)


def draw_every_mark(cue: Cue, count: int, generator: torch.Generator, split: str = "test") -> CuedDigits:
    """`count` times the same digits under three marks, one for each digit: 3 * count pictures, in this order."""
    scenes = [part.repeat_interleave(DIGITS, 0) for part in _scenes(count, generator, split)]
    meant = torch.arange(DIGITS).repeat(count)
    return _render(cue, *scenes, meant, torch.ones(DIGITS * count, DIGITS, dtype=torch.bool))


def colours(hues: Tensor) -> Tensor:
    """Hues, 0..1 around the circle, as RGB of the same sum: (...) -> (..., 3)."""
    return 0.5 + 0.5 * torch.cos(2 * math.pi * (hues[..., None] - torch.arange(3) / 3))


@cache
def _handwritings() -> tuple[Tensor, Tensor]:
    """All of them, (1797, 8, 8) in 0..1, and their labels."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "cued digits need the handwritings of scikit-learn, which is not installed: "
            'pip install "scikit-learn>=1.5".'
        ) from error
    found = load_digits()
    return torch.tensor(found.images, dtype=torch.float32) / 16, torch.tensor(found.target).long()


def _scenes(count: int, generator: torch.Generator, split: str) -> list[Tensor]:
    """Of each digit: ink (B, 3, 8, 8), labels (B, 3), hues (B, 3), cells (B, 3), offsets in the cell (B, 3, 2)."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}.")
    ink, labels = _handwritings()
    which = torch.randint(*SPLITS[split], (count, DIGITS), generator=generator)
    # A third of the circle apart, give or take 15 degrees each: never less than 90. No order, so no digit is special.
    order = torch.rand(count, DIGITS, generator=generator).argsort(1)
    hues = (order + (torch.rand(count, DIGITS, generator=generator) - 0.5) / 4) / DIGITS
    hues = (hues + torch.rand(count, 1, generator=generator)) % 1
    cells = torch.rand(count, 4, generator=generator).argsort(1)[:, :DIGITS]
    offsets = torch.randint(CELL - DIGIT + 1, (count, DIGITS, 2), generator=generator)
    return [ink[which], labels[which], hues, cells, offsets]


def _render(
    cue: Cue,
    ink: Tensor,
    labels: Tensor,
    hues: Tensor,
    cells: Tensor,
    offsets: Tensor,
    meant: Tensor,
    there: Tensor,
) -> CuedDigits:
    count = len(meant)
    picture = torch.arange(count)
    images, digits = torch.zeros(count, *SIZE, 3), torch.zeros(count, DIGITS, *SIZE, dtype=torch.bool)

    def field(tops: Tensor, lefts: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Indices of a square of pixels in each picture."""
        pixels = torch.arange(side)
        return (
            picture[:, None, None],
            (tops[:, None] + pixels)[:, :, None],
            (lefts[:, None] + pixels)[:, None],
        )

    for number in range(DIGITS):
        drawn = ink[:, number] * there[:, number, None, None]
        cell = torch.stack([cells[:, number] // 2, cells[:, number] % 2], 1)
        corner = BOARD + CELL * cell + offsets[:, number]
        images[field(*corner.T, DIGIT)] = drawn[..., None] * colours(hues[:, number])[:, None, None]
        batch, rows, columns = field(*corner.T, DIGIT)
        digits[batch, number, rows, columns] = drawn > 0
    zero = torch.zeros(count, dtype=torch.long)
    if cue == "colour":
        images[field(zero, zero, MARK)] = colours(hues[picture, meant])[:, None, None]
    elif cue == "place":
        cell = cells[picture, meant]
        images[field(MARK // 2 * (cell // 2), MARK // 2 * (cell % 2), MARK // 2)] = 1
    else:
        raise ValueError(f"unknown cue {cue!r}: choose one of {', '.join(CUES)}.")
    return CuedDigits(images.permute(0, 3, 1, 2).contiguous(), labels[picture, meant], meant, digits)
