"""Precision-recall curves, by hand; their area is the average precision."""

import numpy as np
import pytest

from rga.metrics import (
    evaluate_ranking,
    evaluate_single_shot,
    mean_precision_recall,
    precision_recall,
)

IDS = [7, 8, 9], [7, 8, 7, 9, 7, -1], [1, 2, 2], [1, 1, 2, 2, 2, 2]


def test_by_hand():
    curve = precision_recall([1, 4])
    assert curve.recall.tolist() == [1 / 2, 1]
    assert curve.precision.tolist() == [1, 1 / 2]


def test_the_area_under_the_steps_is_the_average_precision():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 9, 50), rng.integers(0, 9, 300), rng.integers(0, 3, 50), rng.integers(0, 3, 300)
    ranking = evaluate_ranking(rng.random((50, 300)), *ids)
    for ranks, precision in zip(ranking.match_ranks, ranking.average_precision, strict=True):
        curve = precision_recall(ranks)
        steps = np.diff(curve.recall, prepend=0)
        assert (curve.precision * steps).sum() == pytest.approx(precision)
    fine = mean_precision_recall(ranking, 5001)
    assert fine.precision[1:].mean() == pytest.approx(ranking.mAP, abs=1e-3)


def test_the_mean_of_two_queries():
    ranking = evaluate_ranking(np.arange(18).reshape(3, 6), *IDS)  # matches at 2 and 4; at 2; none
    mean = mean_precision_recall(ranking, 5)
    np.testing.assert_allclose(mean.recall, [0, 1 / 4, 1 / 2, 3 / 4, 1])
    np.testing.assert_allclose(mean.precision, [1 / 2] * 5)
    single = evaluate_ranking(np.arange(18).reshape(3, 6)[:1, ::-1], [7], *IDS[1:2], [1], IDS[3])
    # Images left to right are the farthest to the nearest: matches at ranks 1 and 3.
    np.testing.assert_allclose(mean_precision_recall(single, 5).precision, [1, 1, 1, 2 / 3, 2 / 3])


def test_a_recall_that_rounds_badly_belongs_to_its_match():
    ranks = np.arange(1, 11) * np.arange(1, 11)
    ranking = evaluate_ranking(np.arange(100)[None], [1], np.isin(np.arange(1, 101), ranks), [1], [2] * 100)
    np.testing.assert_array_equal(ranking.match_ranks[0], ranks)
    np.testing.assert_allclose(mean_precision_recall(ranking, 11).precision[1:], 1 / np.arange(1, 11))


def test_wrong_input():
    with pytest.raises(ValueError, match="at least one match"):
        precision_recall([])
    ranking = evaluate_ranking(np.arange(18).reshape(3, 6), *IDS)
    with pytest.raises(ValueError, match="at least two points, .* got 1"):
        mean_precision_recall(ranking, 1)
    with pytest.raises(ValueError, match="single-shot"):
        mean_precision_recall(evaluate_single_shot(np.arange(18).reshape(3, 6), *IDS))
