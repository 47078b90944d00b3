"""Chance level: what all random orders give on average."""

from itertools import permutations

import numpy as np
import pytest

from rga.metrics import chance_rank1, evaluate_by_definition


def test_is_the_mean_over_all_orders():
    ids = [7, 8, 9], [7, 8, 7, 9, 7, -1], [1, 2, 2], [1, 1, 2, 2, 2, 2]
    # Query 7: two matches among four images that are not junk; query 8: one among five; query 9 has only junk.
    assert chance_rank1(*ids) == pytest.approx((2 / 4 + 1 / 5) / 2)
    orders = [evaluate_by_definition([order] * 3, *ids).rank(1) for order in permutations(range(6))]
    assert chance_rank1(*ids) == pytest.approx(np.mean(orders))


def test_single_shot_is_one_in_as_many_as_there_are_people():
    ids = [1, 2], [1, 1, 2, 3, -1], [1, 1], [2, 2, 2, 2, 2]
    assert chance_rank1(*ids, single_shot=True) == pytest.approx(1 / 3)


@pytest.mark.parametrize("single_shot", [False, True])
@pytest.mark.parametrize("g_pids", [[8, 9], [-1, -1]])
def test_without_a_match(g_pids, single_shot):
    with pytest.raises(ValueError, match="no query has a match"):
        chance_rank1([7], g_pids, [1], [2, 2], single_shot)
