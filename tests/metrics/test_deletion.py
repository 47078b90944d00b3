"""Deletion test: by hand, controls of equal size, and it finds where a network looks."""

import numpy as np
import pytest
import torch

from rga.metrics import Ranking, attended_cells, delete_cells, deletion_effect, elsewhere


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
    """A network that sees one cell of the image: deleting that cell matters, no other does."""
    images = torch.rand(6, 3, 8, 4, generator=torch.Generator().manual_seed(1))
    maps = np.zeros((6, 4, 2))
    maps[:, 1, 1] = 1

    def network(images):
        return images[:, :, 2:4, 2:4].flatten(1)

    cells = attended_cells(maps, 1 / 8)
    others = [network(delete_cells(images, elsewhere(cells, seed))) for seed in range(3)]
    effect = deletion_effect(network(images), network(delete_cells(images, cells)), others)
    assert effect.attended.min() > 0.01
    np.testing.assert_allclose(effect.elsewhere, 0, atol=1e-12)
    assert effect.wins == 1


def test_wrong_input():
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
