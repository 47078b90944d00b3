"""Cued digits: what the mark says is true, the digits alone do not tell it, and splits share no handwriting."""

import sys

import pytest
import torch

from rga.data import cued_digits
from rga.data.cued_digits import BOARD, CELL, CUES, MARK, SIZE, SPLITS, draw, draw_every_mark


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def hue_of(images, mask):
    """The colour of the brightest pixel of each mask, up to its brightness."""
    inside = images * mask[:, None]
    brightest = inside.sum(1).flatten(1).argmax(1)
    colour = inside.flatten(2)[torch.arange(len(images)), :, brightest]
    return colour / colour.sum(1, keepdim=True)


def test_shapes_and_values():
    batch = draw("colour", 5, generator())
    assert batch.images.shape == (5, 3, *SIZE) and batch.digits.shape == (5, 3, *SIZE)
    assert 0 <= batch.images.min() and batch.images.max() <= 1
    assert batch.masks.shape == (5, *SIZE) and batch.masks.any((1, 2)).all()


@pytest.mark.parametrize("cue", CUES)
def test_a_seed_draws_the_same_pictures(cue):
    first, again, other = (draw(cue, 4, generator(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.images, other.images)


def test_the_colour_of_the_mark_is_that_of_the_digit_that_is_meant_and_of_no_other():
    batch = draw("colour", 200, generator())
    mark = batch.images[:, :, 0, 0] / batch.images[:, :, 0, 0].sum(1, keepdim=True)
    for number in range(3):
        same = (hue_of(batch.images, batch.digits[:, number]) - mark).abs().amax(1) < 1e-3
        assert torch.equal(same, batch.meant == number)


def test_the_place_of_the_mark_is_that_of_the_digit_that_is_meant():
    batch = draw("place", 200, generator())
    field = batch.images[:, 0, :MARK, :MARK]
    cells = batch.masks[:, BOARD:, BOARD:].unflatten(1, (2, CELL)).unflatten(3, (2, CELL)).any(4).any(2)
    assert torch.equal(field[:, 1 :: MARK // 2, 1 :: MARK // 2] == 1, cells)


@pytest.mark.parametrize("cue", CUES)
def test_the_same_digits_under_every_mark(cue):
    batch = draw_every_mark(cue, 2, generator())
    board = batch.images[:, :, MARK:, MARK:].unflatten(0, (2, 3))
    assert torch.equal(board, board[:, :1].expand_as(board))
    assert batch.meant.tolist() == [0, 1, 2] * 2


def test_without_distractors_only_the_digit_that_is_meant_is_there():
    batch = draw("colour", 50, generator(), distractors=0)
    assert torch.equal(batch.digits.any(1), batch.masks)


def test_no_handwriting_is_in_two_splits():
    numbers = [number for first, end in SPLITS.values() for number in range(first, end)]
    assert len(set(numbers)) == len(numbers) == 1797


@pytest.mark.parametrize(("cue", "split"), [("shape", "train"), ("colour", "exam")])
def test_unknown_words_are_refused(cue, split):
    with pytest.raises(ValueError, match="choose one of"):
        draw(cue, 1, generator(), split)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    cued_digits._handwritings.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        draw("colour", 1, generator())
