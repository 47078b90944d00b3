"""Checkers of notebook 04: they pass the solution, and meet each known mistake with its own hint."""

import pytest
import torch

from rga.course.exercises.evaluate import (
    average_precision,
    check_average_precision,
    check_first_match,
    check_threshold,
    first_match,
    threshold,
)


@pytest.mark.parametrize(
    ("check", "solution"),
    [
        (check_average_precision, average_precision),
        (check_first_match, first_match),
        (check_threshold, threshold),
    ],
)
def test_the_solution_passes(check, solution):
    assert check(solution) == "all stages passed"


def at_matches(right, precision=None):
    precision = right.cumsum(0) / torch.arange(1, len(right) + 1) if precision is None else precision
    return precision[right]


def before(right):
    """The precision just before each rank, 1 before the first."""
    ranks = torch.arange(1, len(right) + 1)
    return torch.where(ranks > 1, (right.cumsum(0) - right.int()) / (ranks - 1).clamp(min=1), 1.0)


def shifted(by):
    return lambda right: (torch.arange(1, right.sum() + 1) / (1 + by + right.nonzero()[:, 0])).mean()


WRONG_AVERAGE_PRECISION = {
    "stage 1, it runs": lambda right: right.nonsense(),
    "the mean over all ranks": lambda right: (right.cumsum(0) / torch.arange(1, len(right) + 1)).mean(),
    "divided by the 8 images": lambda right: at_matches(right).sum() / len(right),
    "a sum": lambda right: at_matches(right).sum(),
    "the first match alone": lambda right: 1 / (1 + right.float().argmax()),
    "the trapezoid": lambda right: (at_matches(right) + at_matches(right, before(right))).mean() / 2,
    "interpolated": lambda right: at_matches(right).flip(0).cummax(0).values.mean(),
    "rank 1, not 2": shifted(1),
    "rank 1, not 0": shifted(-1),
    "the n-th match at rank r adds n/r": lambda right: 0.25,
    "stage 3, perfect: of 3 images": lambda right: (right.cumsum(0) / torch.arange(1, 9))[right].mean(),
    "stage 3, perfect: all matches first": lambda right: average_precision(right) if not right[0] else 0.5,
    "stage 4, no match: ZeroDivisionError": lambda right: (
        sum((n / r) for n, r in enumerate(1 + right.nonzero()[:, 0], 1)) / int(right.sum())
    ),
    "it must not count in the mean": lambda right: average_precision(right) if right.any() else 0.0,
}


@pytest.mark.parametrize("hint", WRONG_AVERAGE_PRECISION)
def test_known_mistakes_in_average_precision(hint):
    assert hint in check_average_precision(WRONG_AVERAGE_PRECISION[hint])


def by_hand(own_camera="out", unknown="out", descending=False, start=1, camera_out=False, nobody=0):
    """first_match with one thing wrong: junk of either kind is "out" of the list, a "match" or a "stranger"."""

    def answer(distances, q_pids, g_pids, q_camids, g_camids):
        ranks = []
        for row, pid, camid in zip(distances, q_pids, q_camids, strict=True):
            order = row.argsort(descending=descending)
            pids, camids = g_pids[order], g_camids[order]
            own, cut = (pids == pid) & (camids == camid), pids == -1
            kept = ~(own & (own_camera == "out")) & ~(cut & (unknown == "out"))
            if camera_out:
                kept &= camids != camid
            right = ((pids == pid) & (~own | (own_camera == "match")))[kept].nonzero()[:, 0]
            ranks.append(start + int(right[0]) if len(right) else nobody)
        return torch.tensor(ranks)

    return answer


WRONG_FIRST_MATCH = {
    "stage 1, it runs": lambda d, q, g, qc, gc: d.nonsense(),
    "stage 2, shape": lambda d, q, g, qc, gc: d,
    "expected 4 integers": lambda d, q, g, qc, gc: first_match(d, q, g, qc, gc) / 1,
    "stage 3, ranks": by_hand(start=0),
    "it counted as a match": by_hand(own_camera="match"),
    "it counted as a stranger": by_hand(own_camera="stranger", unknown="stranger"),
    "badly cut boxes are junk": by_hand(unknown="stranger"),
    "of the query's own camera it still has a place": by_hand(own_camera="stranger"),
    "stage 5, strangers": by_hand(camera_out=True),
    "stage 5, all of it": by_hand(descending=True),
    "stage 6, no match": by_hand(nobody=1),
}


@pytest.mark.parametrize("hint", WRONG_FIRST_MATCH)
def test_known_mistakes_in_first_match(hint):
    assert hint in check_first_match(WRONG_FIRST_MATCH[hint])


def kth(impostor, k):
    return impostor.sort().values[k - 1]


def just_below(impostor, fa):
    return torch.nextafter(impostor.sort().values[int(fa * len(impostor) + 1e-6)], torch.tensor(-torch.inf))


def test_just_below_the_first_refused_is_right():
    def answer(genuine, impostor, fa):
        return just_below(impostor, fa) if fa < 1 else torch.inf

    assert check_threshold(answer) == "all stages passed"


WRONG_THRESHOLD = {
    "stage 1, it runs": lambda genuine, impostor, fa: genuine.nonsense(),
    "stage 2, side": lambda genuine, impostor, fa: impostor.quantile(1 - fa),
    "it accepts 40 of 40": lambda genuine, impostor, fa: 2.0,
    "among the impostors": lambda genuine, impostor, fa: kth(impostor, int(fa * len(impostor)) + 1),
    "It looks at the genuine pairs": lambda genuine, impostor, fa: genuine.quantile(1 - fa),
    "stage 4, no stricter": lambda genuine, impostor, fa: kth(impostor, int(fa * len(impostor))) - 1e-3,
    "stage 5, ties": lambda genuine, impostor, fa: kth(impostor, round(fa * len(impostor))),
    "stage 6, everyone": lambda genuine, impostor, fa: (
        threshold(genuine, impostor, fa) if fa < 1 else kth(impostor, len(impostor) - 1)
    ),
    "stage 6, everyone: all 40 are allowed, IndexError": lambda genuine, impostor, fa: just_below(
        impostor, fa
    ),
}


@pytest.mark.parametrize("hint", WRONG_THRESHOLD)
def test_known_mistakes_in_the_threshold(hint):
    assert hint in check_threshold(WRONG_THRESHOLD[hint])
