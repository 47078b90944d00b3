"""Attention against ground truth: numbers made by hand, and a uniform map scores the area."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rga.metrics import attention_share, coverage, detail_share, next_person, pointing_game

SCORES = (attention_share, pointing_game)
LEFT = np.zeros((4, 4), dtype=bool)
LEFT[:, :2] = True


def random_masks(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Of different sizes, none of them empty."""
    masks = [rng.random(rng.integers(1, 40, 2)) < 0.5 for _ in range(count)]
    for mask in masks:
        mask[0, 0] = True
    return masks


def test_by_hand():
    maps = [[[3, 1], [0, 0]], [[1, 1], [2, 2]]]
    share = attention_share(np.array(maps), [LEFT, LEFT])
    np.testing.assert_allclose(share.scores, [3 / 4, 1 / 2])
    np.testing.assert_allclose(share.areas, [1 / 2, 1 / 2])
    assert (share.score, share.area, share.lift) == (5 / 8, 1 / 2, 5 / 4)
    assert str(share) == "62.5% on 50.0% of the area, lift 1.25 (n = 2)"
    point = pointing_game(torch.tensor(maps)[:, None], np.stack([LEFT, LEFT]))
    assert point.scores.tolist() == [1, 0.5]  # the second maximum is tied: once on the mask, once beside it


def test_a_cell_counts_by_how_much_of_it_the_mask_covers():
    mask = np.zeros((4, 4), dtype=bool)
    mask[0, 0] = True  # a quarter of the first cell
    first_cell = np.array([[[1.0, 0], [0, 0]]])
    for score in SCORES:
        assert score(first_cell, [mask]).scores == [0.25]


@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), value=st.floats(1e-3, 1e3))
def test_a_uniform_map_scores_the_area(score, seed, value):
    rng = np.random.default_rng(seed)
    masks = random_masks(rng, 3)
    result = score(np.full((3, *rng.integers(1, 40, 2)), value), masks)
    np.testing.assert_allclose(result.areas, [mask.mean() for mask in masks], rtol=1e-12)
    np.testing.assert_allclose(result.scores, result.areas, rtol=1e-12)
    assert result.lift == pytest.approx(1)


@pytest.mark.parametrize("score", SCORES)
def test_the_mask_itself_scores_one_and_its_complement_zero(score):
    masks = np.random.default_rng(0).random((4, 16, 8)) < 0.4
    np.testing.assert_allclose(score(masks, masks).scores, 1)
    np.testing.assert_allclose(score(~masks, masks).scores, 0, atol=1e-12)


def test_a_missing_part_and_an_empty_map_are_not_counted():
    masks = [LEFT, np.zeros((4, 4), dtype=bool), LEFT]
    maps = np.ones((3, 2, 2)) * np.array([1, 1, 0])[:, None, None]
    for score in SCORES:
        result = score(maps, masks)
        np.testing.assert_array_equal(result.scores, [0.5, np.nan, np.nan])
        np.testing.assert_array_equal(result.areas, [0.5, np.nan, np.nan])
        assert (result.score, result.area, result.num_valid) == (0.5, 0.5, 1)
    nobody = attention_share(maps[1:2], masks[1:2])
    assert math.isnan(nobody.lift)
    assert "(n = 0)" in str(nobody)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_coverage_keeps_the_area_and_is_the_block_mean_where_the_grid_divides(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 7, 2)
    mask = rng.random((height * rng.integers(1, 5), width * rng.integers(1, 5))) < 0.5
    blocks = mask.reshape(height, mask.shape[0] // height, width, mask.shape[1] // width).mean((1, 3))
    np.testing.assert_allclose(coverage([mask], (height, width))[0], blocks, atol=1e-12)
    other = coverage([mask], tuple(rng.integers(1, 40, 2)))
    assert other.mean() == pytest.approx(mask.mean(), abs=1e-12)
    assert other.min() >= 0
    assert other.max() <= 1 + 1e-12


def test_coverage_shares_a_pixel_between_two_cells():
    np.testing.assert_allclose(coverage([np.array([[0, 1, 0]])], (1, 2)), [[[1 / 3, 1 / 3]]])


def test_detail_counts_families_not_images():
    bag, hat = 8, 3
    with_bag, with_hat, without = (np.where(LEFT, part, 0) for part in (bag, hat, 0))
    maps = np.array([[[1, 0]], [[1, 0]], [[1, 0]], [[1, 3]]])
    score = detail_share(
        maps, [with_bag, with_bag, without, with_hat], [bag, bag, bag, hat], ["a", "a", "a", "b"]
    )
    np.testing.assert_allclose(score.scores, [1, 1 / 4])
    assert score.areas.tolist() == [0.5, 0.5]
    assert score.lift == pytest.approx(5 / 4)
    tensors = (torch.tensor(x) for x in ([bag, bag, bag, hat], [0, 0, 0, 1]))
    given_as_tensors = detail_share(maps, [with_bag, with_bag, without, with_hat], *tensors)
    np.testing.assert_array_equal(given_as_tensors.scores, score.scores)


@pytest.mark.parametrize("score", SCORES)
def test_what_is_no_map_or_no_mask(score):
    with pytest.raises(ValueError, match=r"expected maps \(B, h, w\) .* got \(2, 2\)"):
        score(np.ones((2, 2)), [LEFT])
    with pytest.raises(ValueError, match=r"got \(1, 3, 2, 2\)"):
        score(np.ones((1, 3, 2, 2)), [LEFT])
    with pytest.raises(ValueError, match="from 0 up, got -1 to 1"):
        score(np.array([[[-1.0, 1]]]), [LEFT])
    with pytest.raises(ValueError, match="from 0 up, got nan"):
        score(np.array([[[np.nan, 1]]]), [LEFT])
    with pytest.raises(ValueError, match="one mask .* got 1 for 2 maps"):
        score(np.ones((2, 2, 2)), [LEFT])
    with pytest.raises(ValueError, match=r"from 0 to 8\. Of a part map, make one with parts > 0"):
        score(np.ones((1, 2, 2)), [np.where(LEFT, 8, 0)])
    with pytest.raises(ValueError, match=r"masks \(H, W\) of booleans, got the shape \(4,\)"):
        score(np.ones((1, 2, 2)), LEFT)


def test_lengths_that_differ():
    with pytest.raises(ValueError, match="got 1, 2 and 1"):
        detail_share(np.ones((1, 2, 2)), [LEFT], [8, 8], [0])


def test_the_next_image_of_another_person():
    assert next_person([7, 7, 8, 9]) == [2, 2, 3, 0]
    assert next_person(torch.tensor([1, 2, 1])) == [1, 2, 1]
    with pytest.raises(ValueError, match="one person's"):
        next_person([4, 4])
