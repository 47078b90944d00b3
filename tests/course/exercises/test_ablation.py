"""Checkers of notebook 05 meet each known mistake with its own hint."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from rga.course.exercises import check_paired, check_plan, check_share


def differences(a, b):
    return np.array([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())])


def paired(a, b, t=lambda n: stats.t.ppf(0.975, n - 1), ddof=1, root=True, times=1):
    found = differences(a, b)
    n = len(found)
    return found.mean(), times * t(n) * found.std(ddof=ddof) / (math.sqrt(n) if root else 1)


def unpaired(a, b):
    variance = np.var([*a.values()], ddof=1) + np.var([*b.values()], ddof=1)
    return differences(a, b).mean(), stats.t.ppf(0.975, len(a) - 1) * math.sqrt(variance / len(a))


def independent(a, b):
    variance = np.var([*a.values()], ddof=1) + np.var([*b.values()], ddof=1)
    return differences(a, b).mean(), stats.t.ppf(0.975, 2 * len(a) - 2) * math.sqrt(variance / len(a))


def by_place(a, b):
    return paired(dict(enumerate(a.values())), dict(enumerate(b.values())))


WRONG_PAIRED = {
    "stage 1, it runs": lambda a, b: paired(a, b)[0],
    "the sign is turned": lambda a, b: paired(b, a),
    "stage 2, mean: expected": lambda a, b: (sum(a.values()) - sum(b.values()), 0),
    "two methods that share nothing": unpaired,
    "two independent samples": independent,
    "stage 4, root": lambda a, b: paired(a, b, root=False),
    "divides by n, as if the mean were known": lambda a, b: paired(a, b, ddof=0),
    "stage 5, z or t": lambda a, b: paired(a, b, t=lambda n: 1.96),
    "stage 5, two sides": lambda a, b: paired(a, b, t=lambda n: stats.t.ppf(0.95, n - 1)),
    "stage 5, degrees of freedom": lambda a, b: paired(a, b, t=lambda n: stats.t.ppf(0.975, n)),
    "this is the whole width": lambda a, b: paired(a, b, times=2),
    "stage 5, half: expected": lambda a, b: (paired(a, b)[0], 0.5),
    "stage 6, seeds: runs of different": by_place,
    "stage 6, seeds: KeyError": lambda a, b: paired(a, {seed: b[seed] for seed in a}),
}


@pytest.mark.parametrize("hint", WRONG_PAIRED)
def test_known_mistakes_in_pairing(hint):
    assert hint in check_paired(WRONG_PAIRED[hint])


def mean(scores):
    return sum(scores.values()) / len(scores)


def ratio(none, attention, oracle):
    could = mean(oracle) - mean(none)
    return (mean(attention) - mean(none)) / could if could > 1e-9 else math.nan


def ratio_of_each(none, attention, oracle):
    return np.mean([(attention[s] - none[s]) / (oracle[s] - none[s]) for s in none])


def none_where_no_room(none, attention, oracle):
    found = ratio(none, attention, oracle)
    return None if math.isnan(found) else found


def clipped(low, high):
    return lambda n, a, o: math.nan if mean(o) <= mean(n) else min(max(ratio(n, a, o), low), high)


WRONG_SHARE = {
    "stage 1, it runs": lambda n, a, o: a - n,
    "stage 2, gains: this is the ratio": lambda n, a, o: mean(a) / mean(o),
    "stage 3, means first": ratio_of_each,
    "the oracle stands below": lambda n, a, o: 1 / ratio(n, a, o),
    "the part that is missing": lambda n, a, o: 1 - ratio(n, a, o),
    "this is the gain itself": lambda n, a, o: mean(a) - mean(n),
    "stage 2, share: expected": lambda n, a, o: 7,
    "stage 4, no room: where the oracle gains nothing it divides": lambda n, a, o: (
        (mean(a) - mean(n)) / (mean(o) - mean(n))
    ),
    "stage 4, no room: where the oracle gains nothing got 0.00": lambda n, a, o: (
        ratio(n, a, o) if n != o else 0
    ),
    "stage 1, it runs: it returned None": lambda n, a, o: None,
    "got None. Hint: return a number, math.nan": none_where_no_room,
    "where an attention harms": clipped(0, math.inf),
    "where an attention beats the oracle": clipped(-math.inf, 1),
    "stage 4, no room: where the oracle loses": lambda n, a, o: (
        ratio(n, a, o) if mean(o) >= mean(n) else (mean(a) - mean(n)) / (mean(o) - mean(n))
    ),
}


@pytest.mark.parametrize("hint", WRONG_SHARE)
def test_known_mistakes_in_the_share(hint):
    assert hint in check_share(WRONG_SHARE[hint])


def plan(base, changes, seeds):
    variants = [base, *(base | {name: value} for name, values in changes.items() for value in values)]
    return [variant | {"seed": seed} for variant in variants for seed in seeds]


def grid(base, changes, seeds):
    whole = {name: [base[name], *values] for name, values in changes.items()}
    every = [base | dict(zip(whole, values, strict=True)) for values in product(*whole.values())]
    return [run | {"seed": seed} for run in every for seed in seeds]


def ever_further(base, changes, seeds):
    runs, now = [base | {"seed": seed} for seed in seeds], dict(base)
    for name, values in changes.items():
        for value in values:
            now = now | {name: value}
            runs += [now | {"seed": seed} for seed in seeds]
    return runs


def in_place(base, changes, seeds):
    runs = plan(base, changes, seeds)
    base["attention"] = "none"
    return runs


WRONG_PLAN = {
    "stage 1, it runs: TypeError": lambda b, c, s: 3,
    "it changed what it was given": in_place,
    "stage 2, settings": lambda b, c, s: [{n: v, "seed": seed} for n in c for v in c[n] for seed in s],
    "one value per run": lambda b, c, s: plan(b, {name: [values] for name, values in c.items()}, s),
    "stage 3, one thing": grid,
    "differs from the base in two settings": ever_further,
    "stage 4, base": lambda b, c, s: [run for run in plan(b, c, s) if run != b | {"seed": run["seed"]}],
    "or the differences cannot be paired": lambda b, c, s: plan(b, {}, s) + plan(b, c, s[:1]),
    "stage 5, runs": lambda b, c, s: plan(b, c, s[:1]),
    "stage 6, nothing twice": lambda b, c, s: plan(b, c, s) + plan(b, {}, s),
}


@pytest.mark.parametrize("hint", WRONG_PLAN)
def test_known_mistakes_in_the_plan(hint):
    assert hint in check_plan(WRONG_PLAN[hint])
