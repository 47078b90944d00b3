"""Attention against the truth: numbers made by hand, an even map scores the area, and controls of equal size."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rga.metrics import (
    Ranking,
    attended_cells,
    attention_share,
    coverage,
    delete_cells,
    deletion_effect,
    detail_share,
    elsewhere,
    pointing_game,
)

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
    assert point.scores.tolist() == [
        1,
        0.5,
    ]  # the second maximum is tied, once on the mask and once beside it


def test_a_cell_counts_by_how_much_of_it_the_mask_covers():
    mask = np.zeros((4, 4), dtype=bool)
    mask[0, 0] = True  # a quarter of the first cell
    first_cell = np.array([[[1.0, 0], [0, 0]]])
    for score in SCORES:
        assert score(first_cell, [mask]).scores == [0.25]


@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), value=st.floats(1e-3, 1e3))
def test_an_even_map_scores_the_area(score, seed, value):
    rng = np.random.default_rng(seed)
    masks = random_masks(rng, 3)
    result = score(np.full((3, *rng.integers(1, 40, 2)), value), masks)
    np.testing.assert_allclose(result.areas, [mask.mean() for mask in masks], rtol=1e-12)
    np.testing.assert_allclose(result.scores, result.areas, rtol=1e-12)
    assert result.lift == pytest.approx(1)


@pytest.mark.parametrize("score", SCORES)
def test_the_mask_itself_scores_one_and_its_contrary_nothing(score):
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


def test_detail_counts_families_not_pictures():
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


def test_attended_cells_are_the_highest():
    maps = np.arange(8.0).reshape(1, 2, 4)
    assert attended_cells(maps, 0.25).tolist() == [[[False] * 4, [False, False, True, True]]]
    # Of equal values, no corner is favoured.
    drawn = [attended_cells(np.ones((1, 2, 4)), 0.25, seed) for seed in range(400)]
    assert {cells.sum() for cells in drawn} == {2}
    np.testing.assert_allclose(np.mean(drawn, axis=0), 0.25, atol=0.08)
    assert (attended_cells(np.ones((1, 2, 4)), 0.25, 7) == drawn[7]).all()


@pytest.mark.parametrize("keep_shape", [True, False])
def test_elsewhere_is_of_equal_size_and_follows_the_seed(keep_shape):
    cells = attended_cells(np.random.default_rng(0).random((5, 8, 4)), 0.2)
    moved = elsewhere(cells, 1, keep_shape)
    assert (moved.sum((1, 2)) == cells.sum((1, 2))).all()
    assert (moved != cells).any((1, 2)).all()
    assert (moved == elsewhere(cells, 1, keep_shape)).all()
    assert (moved != elsewhere(cells, 2, keep_shape)).any()
    draws = np.mean([elsewhere(cells, seed, keep_shape) for seed in range(600)], axis=0)
    np.testing.assert_allclose(draws, cells.mean(), atol=0.1)


def test_elsewhere_keeps_the_shape_round_the_borders():
    cells = np.zeros((1, 5, 6), dtype=bool)
    cells[0, 1:3, 1:4] = True
    shifts = [np.roll(cells[0], shift, (0, 1)).tolist() for shift in np.ndindex(5, 6)]
    assert all(shifts.index(elsewhere(cells, seed)[0].tolist()) > 0 for seed in range(20))


def test_delete_cells_fills_with_the_mean_colour():
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    cells = np.array([[[True, False], [False, False]]] * 2)
    before, after = images.clone(), delete_cells(images, cells)
    torch.testing.assert_close(images, before, rtol=0, atol=0)
    torch.testing.assert_close(
        after[:, :, :2, :2], images.mean((2, 3))[:, :, None, None].expand(-1, -1, 2, 2)
    )
    kept = torch.ones(4, 4, dtype=torch.bool)
    kept[:2, :2] = False
    assert (after == images)[:, :, kept].all()
    assert (delete_cells(images, cells, torch.zeros(()))[:, :, ~kept] == 0).all()
    assert delete_cells((255 * images).byte(), cells).dtype == torch.uint8


def test_deletion_effect_by_hand():
    before = torch.tensor([[1.0, 0], [0, 2]])
    turned, opposite = torch.tensor([[0.0, 3], [0, 1]]), torch.tensor([[-1.0, 0], [0, -1]])
    effect = deletion_effect(before, turned, [before, opposite])
    np.testing.assert_allclose(effect.attended, [1, 0])
    np.testing.assert_allclose(effect.elsewhere, [[0, 0], [2, 2]])
    assert effect.wins == (1 + 0.5 + 0 + 0) / 4
    assert str(effect) == "attended 0.500, elsewhere 1.000, attended matters more in 38%"


def test_deletion_effect_on_rankings_leaves_out_queries_without_a_match():
    ranking = [
        Ranking(np.ones(1), np.array(precision), np.ones(3))
        for precision in ([1, 0.8, np.nan], [0.5, 0.8, np.nan], [0.9, 0.9, np.nan])
    ]
    effect = deletion_effect(ranking[0], ranking[1], ranking[2:])
    np.testing.assert_allclose(effect.attended, [0.5, 0, np.nan])
    np.testing.assert_allclose(effect.elsewhere, [[0.1, -0.1, np.nan]])
    assert effect.wins == 1


def test_deletion_finds_where_a_network_looks():
    """A network that averages one cell of the picture: deleting that cell matters, no other does."""
    images = torch.rand(6, 3, 8, 4, generator=torch.Generator().manual_seed(1))
    maps = np.zeros((6, 4, 2))
    maps[:, 1, 1] = 1

    def network(pictures):
        return pictures[:, :, 2:4, 2:4].flatten(1)

    cells = attended_cells(maps, 1 / 8)
    others = [network(delete_cells(images, elsewhere(cells, seed))) for seed in range(3)]
    effect = deletion_effect(network(images), network(delete_cells(images, cells)), others)
    assert effect.attended.min() > 0.01
    np.testing.assert_allclose(effect.elsewhere, 0, atol=1e-12)
    assert effect.wins == 1


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


def test_other_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="got 1, 2 and 1"):
        detail_share(np.ones((1, 2, 2)), [LEFT], [8, 8], [0])
    for share, cells in ((0.05, 0), (1, 8)):
        with pytest.raises(ValueError, match=f"is {cells} of 8 cells"):
            attended_cells(np.ones((1, 2, 4)), share)
    images = torch.zeros(2, 3, 8, 4)
    with pytest.raises(ValueError, match=r"h divides 8 and w divides 4, got bool \(2, 3, 2\)"):
        delete_cells(images, np.zeros((2, 3, 2), dtype=bool))
    with pytest.raises(ValueError, match=r"got float64 \(2, 4, 2\)"):
        delete_cells(images, np.zeros((2, 4, 2)))
    with pytest.raises(ValueError, match=r"embeddings .* got \(2, 3\) before and \(2, 4\) after"):
        deletion_effect(torch.ones(2, 3), torch.ones(2, 4), [])
    rankings = [Ranking(np.ones(1), np.ones(n), np.ones(n)) for n in (2, 3)]
    with pytest.raises(ValueError, match=r"rankings .* got \(2,\) before and \(3,\) after"):
        deletion_effect(*rankings, [])
