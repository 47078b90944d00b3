"""Thresholds and probabilities: rates counted one by one, and a known truth found again."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from rga.metrics import Calibration, Pairs, calibrate, roc, threshold_at, verification_pairs

HAND = Pairs(np.array([0.1, 0.2, 0.2, 0.6]), np.array([0.2, 0.5, 0.7, 0.8, 0.9]))


def random_pairs(seed):
    rng = np.random.default_rng(seed)
    genuine, impostor = rng.integers(0, 8, rng.integers(1, 20)), rng.integers(2, 12, rng.integers(1, 20))
    return Pairs(genuine / 4, impostor / 4)


@pytest.mark.parametrize("given_as", [np.asarray, torch.as_tensor])
def test_pairs_leave_out_junk(given_as):
    distances = [[0.1, 0.2, 0.3, 0.4, 0.5], [1.1, 1.2, 1.3, 1.4, 1.5]]
    ids = [7, 8], [7, 8, 7, 0, -1], [1, 2], [1, 1, 2, 2, 2]
    pairs = verification_pairs(*map(given_as, (distances, *ids)), chunk=1)
    np.testing.assert_allclose(pairs.genuine, [0.3, 1.2])
    np.testing.assert_allclose(pairs.impostor, [0.2, 0.4, 1.1, 1.3, 1.4])
    coarse = verification_pairs(torch.tensor(distances).bfloat16(), *ids)
    np.testing.assert_allclose(coarse.genuine, pairs.genuine, rtol=0.01)


def test_roc_by_hand():
    curve = roc(HAND)
    assert curve.threshold.tolist() == [0.1, 0.2, 0.6]
    assert curve.true_accept.tolist() == [1 / 4, 3 / 4, 1]
    assert curve.false_accept.tolist() == [0, 1 / 5, 2 / 5]
    assert curve.equal_error == pytest.approx((1 / 5 + 1 / 4) / 2)
    assert curve.auc == pytest.approx((5 + 2 * 4.5 + 3) / 20)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_roc_and_thresholds_equal_counting(seed):
    genuine, impostor = pairs = random_pairs(seed)
    curve = roc(pairs)
    for threshold, false, true in zip(curve.threshold, curve.false_accept, curve.true_accept, strict=True):
        assert (false, true) == ((impostor <= threshold).mean(), (genuine <= threshold).mean())
    wins = (genuine[:, None] < impostor) + 0.5 * (genuine[:, None] == impostor)
    assert curve.auc == pytest.approx(wins.mean())
    for allowed in range(1, len(impostor) + 1):
        found = threshold_at(pairs, allowed / len(impostor))
        assert found.false_accept == (impostor <= found.distance).mean() <= allowed / len(impostor)
        assert found.true_accept == (genuine <= found.distance).mean()
        laxer = [d for d in np.concatenate(pairs) if d > found.distance]
        assert all((impostor <= d).sum() > allowed for d in laxer)


def test_area_equals_scikit_learn():
    genuine, impostor = pairs = random_pairs(0)
    labels = np.repeat([1, 0], [len(genuine), len(impostor)])
    assert roc(pairs).auc == pytest.approx(roc_auc_score(labels, -np.concatenate(pairs)))


def test_threshold_by_hand():
    one = threshold_at(HAND, 0.2)
    assert (one.distance, one.false_accept, one.true_accept) == (0.2, 0.2, 0.75)
    assert (one.genuine, one.impostor) == (4, 5)
    assert str(one) == "same person up to 0.2000: accepts 75.0% of 4 genuine pairs and 20.00% of 5 impostors"
    assert threshold_at(HAND, 0.4).distance == 0.6
    assert threshold_at(HAND, 1).distance == 0.9
    assert json.loads(json.dumps(asdict(one))) == asdict(one)
    tied = threshold_at(Pairs(np.ones(2), np.ones(3)), 0.4)  # all or none: none
    assert (tied.false_accept, tied.true_accept) == (0, 0) and tied.distance < 1


def test_calibration_finds_the_truth():
    # Normal distances of equal spread: the log-odds are a straight line, (0.7² - 0.3²) / 2 / 0.1² - 40 * distance.
    rng = np.random.default_rng(0)
    pairs = Pairs(rng.normal(0.3, 0.1, 4000), rng.normal(0.7, 0.1, 600_000))
    calibration = calibrate(pairs)
    assert calibration.slope == pytest.approx(40, rel=0.05)
    assert calibration.intercept == pytest.approx(20, rel=0.05)
    assert calibration.probability(0.5) == pytest.approx(0.5, abs=0.02)
    # Of pairs drawn with that prior, those said to be sure to 20..30 % are right as often.
    drawn = np.concatenate([pairs.genuine, pairs.impostor[:36_000]])
    said = calibration.probability(drawn, prior=0.1)
    some = (said > 0.2) & (said < 0.3)
    assert (np.arange(len(drawn)) < 4000)[some].mean() == pytest.approx(said[some].mean(), abs=0.05)


def test_calibration_is_a_few_numbers():
    calibration = calibrate(HAND)
    assert Calibration(**json.loads(json.dumps(asdict(calibration)))) == calibration
    near, far = calibration.probability(0.1), calibration.probability(0.9)
    assert isinstance(near, float) and 0.5 < near < 1 and 0 < far < 0.5
    assert calibration.probability(np.array([0.1, 0.9])).tolist() == [near, far]
    assert calibration.probability(0.1, prior=0.01) < near


def test_pairs_that_do_not_overlap_leave_some_doubt():
    calibration = calibrate(Pairs(np.array([0.1, 0.2]), np.array([0.8, 0.9])))
    assert 0.7 < calibration.probability(0.1) < 0.8  # (2 + 1) / (2 + 2), as Platt has it
    alike = calibrate(Pairs(np.full(3, 0.5), np.full(3, 0.5)))
    assert alike.probability(0.5) == pytest.approx(0.5)


def test_wrong_input():
    with pytest.raises(ValueError, match="no query has a match"):
        verification_pairs([[0.1]], [7], [8], [1], [2])
    with pytest.raises(ValueError, match="there is no impostor"):
        verification_pairs([[0.1]], [7], [7], [1], [2])
    with pytest.raises(ValueError, match="got NaN"):
        verification_pairs([[0.1, np.nan]], [7], [7, 8], [1], [2, 2])
    with pytest.raises(ValueError, match="got NaN"):
        roc(Pairs(np.array([np.nan]), np.array([1.0])))
    with pytest.raises(ValueError, match=r"between 0.2 \(one of 5\) and 1, got 0.1"):
        threshold_at(HAND, 0.1)
    with pytest.raises(ValueError, match="got 1.5"):
        threshold_at(HAND, 1.5)
    with pytest.raises(ValueError, match="prior between 0 and 1, got 1"):
        calibrate(HAND).probability(0.1, prior=1)
    with pytest.raises(ValueError, match="got infinity"):
        calibrate(Pairs(np.array([0.1]), np.array([np.inf])))
