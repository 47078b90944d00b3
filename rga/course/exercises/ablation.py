"""Exercises of notebook 05: a paired interval, the share of what attention could bring, a plan of runs.

Solutions are in the notebook.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

from rga.course.errors import describe
from rga.course.exercises.verdict import FORGOTTEN, checker
from rga.metrics import paired_interval, t_interval

Scores = Mapping[int, float]  # by seed
Setting = dict[str, object]


@checker(
    "paired(a, b) takes {seed: score} of two methods and returns two numbers, the mean of "
    "a − b and half the width of its 95 % interval, over the seeds that both have."
)
def check_paired(answer: Callable[[Scores, Scores], tuple[float, float]]) -> str:
    """Try `answer`: {seed: score} of a and of b -> mean difference a - b, half of its 95 % interval."""
    a = {0: 0.50, 1: 0.61, 2: 0.40, 3: 0.73, 4: 0.56}
    b = {0: 0.47, 1: 0.57, 2: 0.39, 3: 0.69, 4: 0.57}
    exact = paired_interval(a, b)
    mean, half = exact.value, exact.high - exact.value
    try:
        got_mean, got_half = map(float, answer(dict(a), dict(b)))
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: return two numbers; a[seed] − b[seed] for each seed."
        )
    if _close(got_mean, -mean):
        return "stage 2, mean: the sign is turned. Hint: a − b, so that above 0 means that a is better."
    if not _close(got_mean, mean):
        return f"stage 2, mean: expected {mean:.4f}, got {got_mean:.4f}. Hint: the mean of the differences."
    differences = np.array([a[seed] - b[seed] for seed in a])
    n, t = len(a), stats.t.ppf(0.975, len(a) - 1)
    unpaired = math.sqrt(np.var([*a.values()], ddof=1) + np.var([*b.values()], ddof=1))
    spread = differences.std(ddof=1)
    wrong = {
        t
        * unpaired
        / math.sqrt(n): "stage 3, pairing: this is the interval of two methods that share nothing. "
        "Hint: subtract seed by seed first, then take one standard deviation, of the differences.",
        stats.t.ppf(0.975, 2 * n - 2)
        * unpaired
        / math.sqrt(n): "stage 3, pairing: this is the t-test of two "
        "independent samples. Hint: subtract seed by seed first; n − 1 degrees of freedom.",
        t
        * spread: "stage 4, root: so far do single differences scatter; their mean scatters less. Hint: / √n.",
        t
        * differences.std()
        / math.sqrt(n): "stage 4, standard deviation: this one divides by n, as if the mean were "
        "known. Hint: n − 1, in NumPy std(ddof=1).",
        1.96
        * spread
        / math.sqrt(n): "stage 5, z or t: 1.96 is for a standard deviation that is known. Hint: from n "
        f"runs it is an estimate; t of n − 1 degrees of freedom is {t:.2f} here, scipy.stats.t.ppf(0.975, n - 1).",
        stats.t.ppf(0.95, n - 1)
        * spread
        / math.sqrt(n): "stage 5, two sides: t.ppf(0.95) leaves 5 % on each side. "
        "Hint: 2.5 % on each, ppf(0.975).",
        stats.t.ppf(0.975, n)
        * spread
        / math.sqrt(n): "stage 5, degrees of freedom: n differences less their mean. Hint: n − 1.",
        2 * half: "stage 5, half: this is the whole width. Hint: mean ± half.",
    }
    if not _close(got_half, half):
        hints = [hint for value, hint in wrong.items() if _close(got_half, value)]
        other = (
            f"stage 5, half: expected {half:.4f}, got {got_half:.4f}. Hint: t · s / √n, s of the differences."
        )
        return hints[0] if hints else other
    try:
        moved = tuple(map(float, answer({2: 0.3, 1: 0.6, 5: 0.9}, {1: 0.5, 2: 0.4, 7: 0.1})))
    except Exception as error:
        return f"stage 6, seeds: {describe(error)}. Hint: compare the seeds that both have, whatever their order."
    if not _close(moved[0], 0) or not _close(moved[1], t_interval([0.1, -0.1]).high):
        return "stage 6, seeds: runs of different seeds were compared. Hint: pair by seed, not by place; a.keys() & b."
    return "all stages passed"


@checker(
    "share(none, attention, oracle) takes {seed: score} of each and returns the attention's "
    "mean gain over none, divided by the oracle's; NaN where the oracle gains nothing.",
    sees_none=True,
)
def check_share(answer: Callable[[Scores, Scores, Scores], float]) -> str:
    """Try `answer`: {seed: score} of none, an attention and the oracle -> the share of the oracle's gain."""
    none, attention, oracle = {0: 0.60, 1: 0.66}, {0: 0.64, 1: 0.67}, {0: 0.80, 1: 0.70}
    try:
        got = answer(dict(none), dict(attention), dict(oracle))
        if got is None:
            return FORGOTTEN
        got = float(got)
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: return one number; none[seed] is a score."
    gained = {seed: attention[seed] - none[seed] for seed in none}
    could = {seed: oracle[seed] - none[seed] for seed in none}
    expected = sum(gained.values()) / sum(could.values())
    wrong = {
        sum(attention.values())
        / sum(oracle.values()): "stage 2, gains: this is the ratio of two scores, and would be "
        "high for an attention that does nothing. Hint: subtract what the network reaches without attention from both.",
        float(
            np.mean([gained[s] / could[s] for s in none])
        ): "stage 3, means first: this is the mean of the seeds' "
        "ratios. Hint: where the oracle happens to gain little, one ratio drowns all others; divide the mean gains.",
        1 / expected: "stage 2, which way: the oracle stands below. Hint: attention's gain / oracle's gain.",
        1
        - expected: "stage 2, which way: this is the part that is missing. Hint: attention's gain / oracle's gain.",
        sum(gained.values()) / 2: "stage 2, share: this is the gain itself. Hint: divide it by the oracle's.",
    }
    if not _close(got, expected):
        hints = [hint for value, hint in wrong.items() if _close(got, value)]
        other = f"stage 2, share: expected {expected:.3f}, got {got:.3f}. Hint: mean gain / mean gain of the oracle."
        return hints[0] if hints else other
    for seen, words in ((none, "the oracle gains nothing"), ({0: 0.5, 1: 0.6}, "the oracle loses")):
        try:
            with np.errstate(all="ignore"):
                empty = answer(dict(none), dict(attention), dict(seen))
            if empty is None:
                return (
                    f"stage 4, no room: where {words} got None. Hint: return a number, math.nan, there too."
                )
            empty = float(empty)
        except ZeroDivisionError:
            return f"stage 4, no room: where {words} it divides by 0. Hint: return math.nan then."
        except Exception as error:
            return (
                f"stage 4, no room: {describe(error)}. Hint: return math.nan where the oracle gains nothing."
            )
        if not math.isnan(empty):
            return f"stage 4, no room: where {words} got {empty:.2f}. Hint: a share of nothing is no number: math.nan."
    for score, words in ((0.58, "harms"), (0.88, "beats the oracle")):
        expected = (score - 0.63) / 0.12  # the means of none, and of the oracle less those
        got = answer(dict(none), {0: score, 1: score}, dict(oracle))
        if got is None or not _close(float(got), expected):
            return (
                f"stage 5, beyond 0 and 1: where an attention {words} expected {expected:.2f}, got {got}. Hint: "
                "neither min nor max; a share below 0 or above 1 is a finding."
            )
    return "all stages passed"


@checker(
    "plan(base, changes, seeds) returns a list of dicts, the settings of each run with its "
    "seed: the base itself, and the base with one setting changed, each with every seed."
)
def check_plan(answer: Callable[[Setting, dict[str, Sequence], Sequence[int]], list[Setting]]) -> str:
    """Try `answer`: a base, {setting: other values}, seeds -> runs that differ from the base in one thing at most."""
    base = {"attention": "rga_sc", "stages": "1234", "reduction": 8}
    changes, seeds = {"attention": ["none", "rga_s"], "reduction": [4]}, [0, 1, 2]
    given = copy.deepcopy((base, changes, seeds))
    try:
        runs = [dict(run) for run in answer(*given)]
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: a list of dicts, base | {{name: value, 'seed': seed}}."
    if given != (base, changes, seeds):
        return "stage 1, it runs: it changed what it was given. Hint: base | {...} is a new dict; base[...] = is not."
    if missing := [run for run in runs if run.keys() != {*base, "seed"}]:
        return f"stage 2, settings: a run is {missing[0]}. Hint: each run has every setting, and a seed."
    if whole := [(name, run[name]) for run in runs for name in base if isinstance(run[name], list | tuple)]:
        name, values = whole[0]
        return (
            f"stage 2, values: a run has {name!r}: {values!r}. Hint: one value per run; loop over the values."
        )
    apart = [[name for name in base if run[name] != base[name]] for run in runs]
    if several := [run for run, names in zip(runs, apart, strict=True) if len(names) > 1]:
        return (
            f"stage 3, one thing: {several[0]} differs from the base in two settings. Hint: if it is better, which of "
            "them was it? Start from the base for each change, and change one."
        )
    if not any(not names for names in apart):
        return "stage 4, base: nothing to compare with. Hint: the unchanged base is a run, too."
    wanted = [base | {"seed": seed} for seed in seeds]
    wanted += [base | {n: v, "seed": s} for n, values in changes.items() for v in values for s in seeds]
    lacking = [run for run in wanted if run not in runs]
    if lacking and len({run["seed"] for run in runs}) == len(seeds):
        return (
            f"stage 5, seeds: {lacking[0]} is not planned. Hint: the same seeds for every variant, the base too, "
            "or the differences cannot be paired."
        )
    if lacking:
        return f"stage 5, runs: {lacking[0]} is not planned. Hint: each value, with each seed."
    if len(runs) != len(wanted):
        return f"stage 6, nothing twice: expected {len(wanted)} runs, got {len(runs)}. Hint: each run costs as much."
    return "all stages passed"


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6)
