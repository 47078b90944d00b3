"""Checkers of notebook 04 meet each known mistake with its own hint."""

import numpy as np
import pytest
import torch

from rga.course.exercises import (
    check_average_precision,
    check_bootstrap,
    check_match_ranks,
    check_threshold,
)


def match_ranks(distances, junk, match, start=1, descending=False):
    order = distances[~junk].argsort(descending=descending)
    return start + match[~junk][order].nonzero()[:, 0]


def order_for_rank(distances, junk, match):
    return 1 + distances[~junk].argsort()[match[~junk]]


def gallery_order(distances, junk, match):
    return 1 + distances[~junk].argsort().argsort()[match[~junk]]


def junk_stays(distances, junk, match, start=1):
    return start + match[distances.argsort()].nonzero()[:, 0]


WRONG_MATCH_RANKS = {
    "stage 1, it runs": lambda d, junk, match: d.nonsense(),
    "these are the distances": lambda d, junk, match: d[match].sort().values,
    "these are the columns": lambda d, junk, match: match.nonzero()[:, 0],
    "the images are not sorted": lambda d, junk, match: 1 + match[~junk].nonzero()[:, 0],
    "in the gallery's order": gallery_order,
    "argsort says which image stands at each rank": order_for_rank,
    "stage 3, direction": lambda d, junk, match: match_ranks(d, junk, match, descending=True),
    "stage 4, junk: it still has a place. Hint": junk_stays,
    "stage 4, junk: it still has a place (and": lambda d, junk, match: junk_stays(d, junk, match, start=0),
    "stage 4, junk: it counts as a match": lambda d, junk, match: junk_stays(d, junk, match | junk),
    "filter match with ~junk, too": lambda d, junk, match: 1 + match[d[~junk].argsort()].nonzero()[:, 0],
    "stage 4, junk: it now stands first": lambda d, junk, match: junk_stays(
        d.masked_fill(junk, 0), junk, match
    ),
    "put it last, at infinity": lambda d, junk, match: junk_stays(
        d.masked_fill(junk, -1), junk, match, start=0
    ),
    "stage 5, from 1": lambda d, junk, match: match_ranks(d, junk, match, start=0),
    "stage 6, all of it": lambda d, junk, match: match_ranks(d, junk, match)[:1],
    "stage 7, no match: expected": lambda d, junk, match: match_ranks(d, junk, match) if match.any() else [0],
    "stage 7, no match: IndexError": lambda d, junk, match: (
        match_ranks(d, junk, match)[0] + torch.tensor([0, 1, 3])
    ),
}


@pytest.mark.parametrize("hint", WRONG_MATCH_RANKS)
def test_known_mistakes_in_match_ranks(hint):
    assert hint in check_match_ranks(WRONG_MATCH_RANKS[hint])


@pytest.mark.parametrize("form", [list, np.asarray, torch.Tensor.float])
def test_ranks_may_be_a_list_or_an_array(form):
    assert check_match_ranks(lambda *one: form(match_ranks(*one))) == "all stages passed"


def average_precision(right):
    ranks = 1 + right.nonzero()[:, 0]
    return (torch.arange(1, len(ranks) + 1) / ranks).mean()


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
    "not the 0th": lambda right: (torch.arange(right.sum()) / (1 + right.nonzero()[:, 0])).mean(),
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


def kth(impostor, k):
    return impostor.sort().values[k - 1]


def allowed(impostor, share):
    return int(share * len(impostor) + 1e-6)


def just_below(impostor, share):
    return torch.nextafter(impostor.sort().values[allowed(impostor, share)], torch.tensor(-torch.inf))


def up_to_the_last_allowed(impostor, share):
    return just_below(impostor, share) if share < 1 else impostor.max()


def last_allowed(impostor, count):
    """The last of so many, or the last before those that are tied with the first to refuse."""
    ordered = impostor.sort().values
    while count < len(ordered) and ordered[count - 1] == ordered[count]:
        count -= 1
    return ordered[count - 1]


def test_any_limit_between_the_last_allowed_and_the_first_refused_is_right():
    assert check_threshold(lambda g, i, share: up_to_the_last_allowed(i, share)) == "all stages passed"


WRONG_THRESHOLD = {
    "stage 1, it runs": lambda genuine, impostor, share: genuine.nonsense(),
    "stage 2, whose pairs: it accepts 6": lambda genuine, impostor, share: genuine.quantile(1 - share),
    "stage 2, whose pairs: it accepts 0": lambda genuine, impostor, share: genuine.quantile(share),
    "the genuine pairs decide nothing": lambda genuine, impostor, share: torch.cat(
        [genuine, impostor]
    ).quantile(5 * share),
    "stage 3, side": lambda genuine, impostor, share: impostor.quantile(1 - share),
    "it accepts 40 of 40": lambda genuine, impostor, share: 2.0,
    "stage 4, off by one": lambda genuine, impostor, share: kth(impostor, allowed(impostor, share) + 1),
    "stage 4, share": lambda genuine, impostor, share: kth(impostor, 8),
    "stage 5, no stricter than asked: it accepts 1": lambda genuine, impostor, share: (
        kth(impostor, allowed(impostor, share)) - 1e-3
    ),
    "stage 6, ties": lambda genuine, impostor, share: kth(impostor, allowed(impostor, share)),
    "fourth and fifth": lambda genuine, impostor, share: impostor.quantile(share),
    "stage 7, everyone: all 40 are allowed, it accepts 39": lambda genuine, impostor, share: (
        up_to_the_last_allowed(impostor, share) if share < 1 else kth(impostor, len(impostor) - 1)
    ),
    "stage 7, everyone: all 40 are allowed, IndexError": lambda genuine, impostor, share: just_below(
        impostor, share
    ),
    "index n − 1 is −1": lambda genuine, impostor, share: last_allowed(impostor, allowed(impostor, share)),
    "stage 8, nobody: 1 % of 40 is less than one impostor, IndexError": lambda genuine, impostor, share: (
        up_to_the_last_allowed(impostor, share) if allowed(impostor, share) else impostor[[]][-1]
    ),
}


@pytest.mark.parametrize("hint", WRONG_THRESHOLD)
def test_known_mistakes_in_the_threshold(hint):
    assert hint in check_threshold(WRONG_THRESHOLD[hint])


def of_people(scores, pids):
    return np.array([np.mean(scores[pids == who]) for who in np.unique(pids)])


def bootstrap(scores, pids, rng, values=of_people, replace=True, tails=(0.025, 0.975), nan=False, draws=2000):
    if not nan:
        scores, pids = scores[~np.isnan(scores)], pids[~np.isnan(scores)]
    each = values(scores, pids)
    means = [rng.choice(each, len(each), replace=replace).mean() for _ in range(draws)]
    return np.quantile(means, tails)


def queries(scores, pids):
    return scores


def one_of_each(scores, pids):
    return scores[np.unique(pids, return_index=True)[1]]


def by_people(scores, pids, rng, mean_of, everybody=np.unique):
    """People drawn one set at a time, and the mean of all their queries: also right, for any numbers of queries."""
    scores, pids = scores[~np.isnan(scores)], pids[~np.isnan(scores)]
    people = everybody(pids)
    drawn = [rng.choice(people, len(np.unique(pids))) for _ in range(2000)]
    return np.quantile([mean_of(scores, pids, some) for some in drawn], (0.025, 0.975))


def all_queries(scores, pids, drawn):
    return np.concatenate([scores[pids == who] for who in drawn]).mean()


def each_person(scores, pids, drawn):
    return np.mean([scores[pids == who].mean() for who in drawn])


def test_people_may_weigh_the_same_or_by_their_queries():
    assert check_bootstrap(lambda *given: by_people(*given, all_queries)) == "all stages passed"
    assert check_bootstrap(lambda *given: by_people(*given, each_person)) == "all stages passed"


WRONG_BOOTSTRAP = {
    "stage 1, it runs: AttributeError": lambda s, p, rng: s.nonsense(),
    "stage 1, it runs: TypeError": lambda s, p, rng: bootstrap(s, p, rng).mean(),
    "stage 2, order": lambda s, p, rng: bootstrap(s, p, rng)[::-1],
    "stage 2, numbers": lambda s, p, rng: (np.nan, np.nan),
    "stage 2, place": lambda s, p, rng: bootstrap(s, p, rng) - s.mean(),
    "stage 3, replacement": lambda s, p, rng: bootstrap(s, p, rng, replace=False),
    "stage 4, people": lambda s, p, rng: bootstrap(s, p, rng, values=queries),
    "stage 5, means": lambda s, p, rng: np.quantile(of_people(s, p), (0.025, 0.975)),
    "stage 6, both sides": lambda s, p, rng: bootstrap(s, p, rng, tails=(0.05, 0.95)),
    "stage 6, 95 %": lambda s, p, rng: bootstrap(s, p, rng, tails=(0.16, 0.84)),
    "stage 6, width": lambda s, p, rng: bootstrap(s, p, rng, tails=(0.25, 0.75)),
    "drawn twice counts twice": lambda *given: by_people(
        *given, lambda scores, pids, drawn: scores[np.isin(pids, drawn)].mean()
    ),
    "go person by person through": lambda s, p, rng: s[p == rng.choice(np.unique(p), 30)].mean(),
    "stage 4, people: each comes with one query": lambda s, p, rng: bootstrap(s, p, rng, values=one_of_each),
    "not the first of them": lambda s, p, rng: bootstrap(
        s, p, rng, values=lambda s, p: np.array(list(dict(zip(p, s, strict=True)).values()))
    ),
    "stage 7, NaN: it counts as 0": lambda s, p, rng: bootstrap(np.nan_to_num(s), p, rng),
    "the score of the queries that have one": lambda s, p, rng: bootstrap(np.nan_to_num(s, nan=1.0), p, rng),
    "stage 8, people: who has more": lambda *given: by_people(*given, each_person, everybody=np.array),
    "holds everybody once": lambda *given: by_people(*given, all_queries, everybody=np.array),
    "scores[pids == who] may have any length": lambda s, p, rng: bootstrap(
        s,
        p,
        rng,
        values=lambda s, p: of_people(s, p) if len(p) < 400 else s[p.argsort()].reshape(30, 16).mean(1),
    ),
    "stage 9, draws: fewer than 2000": lambda s, p, rng: bootstrap(s, p, rng, draws=200),
    "stage 7, NaN: a query": lambda s, p, rng: bootstrap(s, p, rng, nan=True),
    "stage 7, NaN: AssertionError": lambda s, p, rng: (
        np.testing.assert_array_equal(np.isnan(s), False) or bootstrap(s, p, rng)
    ),
}


@pytest.mark.parametrize("hint", WRONG_BOOTSTRAP)
def test_known_mistakes_in_the_bootstrap(hint):
    assert hint in check_bootstrap(WRONG_BOOTSTRAP[hint])


@pytest.mark.parametrize("seed", range(3))
def test_chance_does_not_decide_about_the_bootstrap(seed):
    def answer(scores, pids, rng):
        return bootstrap(scores, pids, np.random.default_rng(seed))

    assert check_bootstrap(answer) == "all stages passed"
