"""Intervals over seeds: by hand, as often right as they say, and only with seeds that can be compared."""

import numpy as np
import pytest
from scipy import stats

from rga.metrics import paired_interval, t_interval


def test_by_hand():
    interval = t_interval([0.1, 0.2, 0.3])
    half = 4.302653 * 0.1 / np.sqrt(3)  # t of 2 degrees of freedom, a standard deviation of 0.1
    assert (interval.value, interval.level) == (pytest.approx(0.2), 0.95)
    assert (interval.low, interval.high) == (pytest.approx(0.2 - half), pytest.approx(0.2 + half))


def test_the_difference_of_the_same_seeds():
    a, b = {0: 0.5, 1: 0.7, 2: 0.63}, {2: 0.6, 1: 0.68, 0: 0.49, 7: 0.0}
    theirs = stats.ttest_rel([0.5, 0.7, 0.63], [0.49, 0.68, 0.6]).confidence_interval(0.95)
    interval = paired_interval(a, b)
    assert interval.value == pytest.approx(0.02)
    assert (interval.low, interval.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_it_holds_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0.6, 0.1, (1000, 3))
    hits = [(found := t_interval(three)).low <= 0.6 <= found.high for three in draws]
    assert 0.93 < np.mean(hits) < 0.97


@pytest.mark.parametrize("b", [{}, {1: 0.5}])
def test_one_seed_shows_nothing(b):
    with pytest.raises(ValueError, match=f"at least two seeds, got {len(b)}"):
        paired_interval({0: 0.4, 1: 0.6}, b)
