"""Pairs of cameras: each is the ranking of a set that has no other cameras."""

import numpy as np
import pytest
import torch

from rga.metrics import evaluate_camera_pairs, evaluate_ranking


def test_by_hand():
    distances = [[0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1]]
    pairs = evaluate_camera_pairs(distances, [7, 8], [7, 8, 7, 9, 7], [1, 2], [1, 1, 2, 2, 3])
    # Query 7 of camera 1 finds its person in camera 2 at once and in camera 3; query 8 of camera 2, in camera 1.
    assert pairs.cameras == ([1, 2], [1, 2, 3])
    np.testing.assert_array_equal(pairs.table("rank-1"), [[np.nan, 1, 1], [1, np.nan, np.nan]])
    assert str(pairs).splitlines() == [
        "mAP in %, query camera down, gallery camera across",
        "           1     2     3",
        "     1     - 100.0 100.0",
        "     2 100.0     -     -",
    ]


@pytest.mark.parametrize("given_as", [np.asarray, torch.as_tensor])
def test_equals_a_set_of_these_cameras_alone(given_as):
    rng = np.random.default_rng(0)
    q_pids, g_pids = rng.integers(0, 12, 40), rng.integers(-1, 12, 150)
    q_camids, g_camids = rng.integers(1, 5, 40), rng.integers(1, 5, 150)
    distances = rng.integers(0, 9, (40, 150)) / 8
    pairs = evaluate_camera_pairs(*map(given_as, (distances, q_pids, g_pids, q_camids, g_camids)))
    assert set(pairs.rankings) == {(q, g) for q in range(1, 5) for g in range(1, 5) if q != g}
    for (q, g), ranking in pairs.rankings.items():
        rows, columns = q_camids == q, g_camids == g
        ids = q_pids[rows], g_pids[columns], q_camids[rows], g_camids[columns]
        expected = evaluate_ranking(distances[rows][:, columns], *ids)
        np.testing.assert_array_equal(ranking.average_precision, expected.average_precision)
        assert ranking.rank(1) == expected.rank(1) == pairs.table("rank-1")[q - 1, g - 1]


def test_wrong_input():
    with pytest.raises(ValueError, match="no query has a match"):
        evaluate_camera_pairs([[0.0, 0.0]], [7], [7, -1], [1], [1, 2])
    with pytest.raises(ValueError, match=r"got \(1, 2\) for 1 \+ 1 query and 3 \+ 3 gallery ids"):
        evaluate_camera_pairs(np.zeros((1, 2)), [1], [1, 2, 3], [1], [1, 1, 1])
