"""Confidence intervals: they hold the truth as often as they say, and people count, not queries."""

import numpy as np
import pytest

from rga.metrics import (
    Ranking,
    confidence_interval,
    confidence_of_difference,
    evaluate_ranking,
    evaluate_single_shot,
)


def ranking_of(precision):
    precision = np.asarray(precision, dtype=float)
    return Ranking(np.ones(1), precision, precision)


def test_by_hand():
    # Two people, one found always, one never: both drawn in half of the draws, one of them alone in a quarter each.
    interval = confidence_interval(ranking_of([1, 1, 0, np.nan]), [5, 5, 6, 7], level=0.4)
    assert (interval.value, interval.low, interval.high) == (pytest.approx(2 / 3), 2 / 3, 2 / 3)
    wide = confidence_interval(ranking_of([1, 1, 0, np.nan]), [5, 5, 6, 7])
    assert (wide.low, wide.high, wide.level) == (0, 1, 0.95)
    assert str(wide) == "66.7 % (0.0 … 100.0 at 95%)"


def test_it_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        people = np.repeat(rng.normal(0.6, 0.1, 80), 3)  # a person's three queries are alike
        interval = confidence_interval(
            ranking_of(people + rng.normal(0, 0.02, 240)), np.repeat(range(80), 3), level=0.9, draws=200
        )
        hits += interval.low <= 0.6 <= interval.high
    assert 0.85 < hits / 300 < 0.95


def test_copies_of_queries_make_nothing_surer():
    precision = np.random.default_rng(0).random(50)
    once = confidence_interval(ranking_of(precision), range(50))
    four_times = confidence_interval(ranking_of(np.repeat(precision, 4)), np.repeat(range(50), 4))
    assert (once.low, once.high) == pytest.approx((four_times.low, four_times.high))


def test_a_difference_is_drawn_in_pairs():
    rng = np.random.default_rng(0)
    b = rng.random(200)
    a = b + 0.02 + rng.normal(0, 0.02, 200)
    alone = [confidence_interval(ranking_of(x), range(200)) for x in (a, b)]
    assert alone[0].low < alone[1].high  # the two overlap
    difference = confidence_of_difference(ranking_of(a), ranking_of(b), range(200))
    assert difference.value == pytest.approx((a - b).mean())
    assert 0.01 < difference.low < difference.value < difference.high < 0.03
    same = confidence_of_difference(ranking_of(a), ranking_of(a), range(200))
    assert (same.low, same.high) == (0, 0)


def test_the_same_seed_gives_the_same_interval_for_every_score():
    rng = np.random.default_rng(0)
    q_pids, g_pids = rng.integers(0, 20, 60), rng.integers(0, 22, 200)
    ids = q_pids, g_pids, rng.integers(0, 4, 60), rng.integers(0, 4, 200)
    ranking = evaluate_ranking(rng.random((60, 200)), *ids)
    for score, value in (("mAP", ranking.mAP), ("mINP", ranking.mINP), ("rank-5", ranking.rank(5))):
        interval = confidence_interval(ranking, q_pids, score)
        assert interval.value == pytest.approx(value)
        assert interval.low < value < interval.high
        assert interval == confidence_interval(ranking, q_pids, score)
        assert interval != confidence_interval(ranking, q_pids, score, seed=1)
    single = evaluate_single_shot(rng.random((60, 200)), *ids)
    assert confidence_interval(single, q_pids).value == pytest.approx(single.mAP)


def test_wrong_input():
    ranking = ranking_of([1, 0.5, np.nan])
    with pytest.raises(ValueError, match="one pid a query, got 2 for 3"):
        confidence_interval(ranking, [1, 2])
    with pytest.raises(ValueError, match="level between 0 and 1 and at least one draw, got 95"):
        confidence_interval(ranking, [1, 2, 3], level=95)
    with pytest.raises(ValueError, match="got 0.95 and 0"):
        confidence_interval(ranking, [1, 2, 3], draws=0)
    with pytest.raises(ValueError, match="at least two people with a match, got 1"):
        confidence_interval(ranking, [1, 1, 3])
    with pytest.raises(ValueError, match="unknown score 'top-1'"):
        confidence_interval(ranking, [1, 2, 3], "top-1")
    for other in (ranking_of([1, 0.5]), ranking_of([1, np.nan, 0.5])):
        with pytest.raises(ValueError, match="rankings of the same queries, got 2 of 3"):
            confidence_of_difference(ranking, other, [1, 2, 3])


def test_rank_1_of_rankings_in_which_every_query_has_a_match():
    ids = [1, 2], [1, 2], [1, 1], [2, 2]
    good, bad = (evaluate_ranking(d, *ids) for d in ([[0, 1], [1, 0]], [[1, 0], [0, 1]]))
    assert confidence_of_difference(good, bad, [1, 2], "rank-1").low == 1
