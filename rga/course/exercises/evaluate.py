"""Exercises of notebook 04: ranks of the matches, average precision, a threshold, a bootstrap interval.

Solutions are in the notebook.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from rga.course.errors import describe
from rga.course.exercises.verdict import checker


@checker(
    "match_ranks(distances, junk, match) takes one query's distance to each gallery image and two masks, (G,) "
    "each, and returns the ranks of its matches, ascending; the nearest image that is not junk has rank 1."
)
def check_match_ranks(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Try `answer`: distances (G,), junk and match (G,) booleans -> the ranks of the matches, from 1, ascending."""
    distances = torch.tensor([0.7, 0.5, 0.9, 0.1, 0.8, 0.2, 0.4, 0.3, 0.6])
    places = torch.arange(9)
    junk, match = places < 2, torch.isin(places, torch.tensor([2, 6, 8]))
    try:
        got = _as_list(answer(distances.clone(), junk.clone(), match.clone()))
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: distances[~junk] are those that count; argsort gives their "
            "order."
        )
    wrong = {
        (
            0.4,
            0.6,
            0.9,
        ): "stage 2, ranks: these are the distances of the matches. Hint: where do they stand in order?",
        (2, 6, 8): "stage 2, ranks: these are the columns of the matches. Hint: sort the images first.",
        (
            3,
            7,
            9,
        ): "stage 2, ranks: the images are not sorted. Hint: argsort says which image is nearest, next, ….",
        (
            1,
            5,
            7,
        ): "stage 2, ranks: the images are not sorted. Hint: argsort says which image is nearest, next, ….",
        (
            7,
            4,
            5,
        ): "stage 2, ascending: the right ranks, in the gallery's order. Hint: sort them, the nearest first.",
        (2, 7, 1): _ORDER,
        (1, 2, 7): _ORDER,
        (1, 6, 0): _ORDER,
        (1, 3, 4): "stage 3, direction: the farthest image comes first. Hint: a small distance means alike.",
        (
            3,
            5,
            8,
        ): "stage 4, junk: it still has a place (and the ranks begin at 0). Hint: take junk out, then sort.",
        (5, 6): _UNFILTERED,
        (4, 5): _UNFILTERED,
        (6, 7, 9): _FIRST,
        (5, 6, 8): _FIRST,
        (
            4,
            6,
            9,
        ): "stage 4, junk: it still has a place. Hint: what stands behind junk moves up; take it out first.",
        (
            4,
            5,
            6,
            7,
            9,
        ): "stage 4, junk: it counts as a match. Hint: where somebody stood a moment ago is no find.",
        (3, 4, 6): "stage 5, from 1: off by one. Hint: the nearest image has rank 1, not 0.",
    }
    for ranks, said in wrong.items():
        if len(got) == len(ranks) and np.allclose(got, ranks):
            return said
    if got != [4, 5, 7]:
        return f"stage 6, all of it: expected [4, 5, 7], got {got}. Hint: leave out junk, sort, then look for matches."
    try:
        nobody = _as_list(answer(distances[:4], junk[:4], torch.zeros(4, dtype=torch.bool)))
    except Exception as error:
        return f"stage 7, no match: {describe(error)}. Hint: nonzero() of a mask without True is empty, without help."
    if nobody:
        return f"stage 7, no match: expected no ranks, got {nobody}. Hint: who is not there has no rank."
    return "all stages passed"


_ORDER = (
    "stage 2, ranks: argsort says which image stands at each rank, not at which rank an image stands. "
    "Hint: match[~junk][order] is the mask in sorted order; its True places are the ranks."
)

_UNFILTERED = (
    "stage 4, junk: it is out of the distances, and still in match: the places of one are not those of the other. "
    "Hint: filter match with ~junk, too, before it is put in order."
)
_FIRST = (
    "stage 4, junk: it now stands first, at a distance smaller than all others. Hint: take it out, or put it last, "
    "at infinity, where it pushes nobody down."
)


def _as_list(ranks: Sequence) -> list:
    return torch.as_tensor(ranks).reshape(-1).tolist()


@checker(
    "average_precision(right) takes one query's (G,) booleans, the nearest image first and junk left out, and "
    "returns the mean of n/r over its matches; NaN without a match."
)
def check_average_precision(answer: Callable[[Tensor], float]) -> str:
    """Try `answer`: (G,) booleans, the nearest first -> step-wise average precision; NaN without a match."""
    right = torch.tensor([False, True, True, False, False, True, False, False])
    precision = right.cumsum(0) / torch.arange(1, 9)  # 0, 1/2, 2/3, 1/2, 2/5, 1/2, 3/7, 3/8
    expected = (1 / 2 + 2 / 3 + 3 / 6) / 3
    try:
        got = float(answer(right.clone()))
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: right.nonzero() says where the matches stand; return a "
            "number."
        )
    mistakes = {
        precision.mean(): "the mean over all ranks. Hint: precision counts where a match stands, nowhere else.",
        precision[right].sum() / 8: "divided by the 8 images. Hint: the mean is over the 3 matches.",
        precision[right].sum(): "a sum. Hint: divide it by the number of matches.",
        precision[1]: "the first match alone. Hint: n/r of every match, then the mean.",
        (precision[right] + torch.tensor([0, 1 / 2, 2 / 5])).mean() / 2: (
            "the trapezoid. Hint: no mean with the precision just before the match; that is another evaluator's number."
        ),
        torch.tensor([2 / 3, 2 / 3, 1 / 2]).mean(): (
            "interpolated, as in PASCAL VOC. Hint: take the precision at the match, not the best one behind it."
        ),
        torch.tensor([1 / 3, 2 / 4, 3 / 7]).mean(): "off by one. Hint: the nearest image has rank 1, not 2.",
        torch.tensor([1.0, 1.0, 3 / 5]).mean(): "off by one. Hint: the nearest image has rank 1, not 0.",
        torch.tensor(
            [0, 1 / 3, 2 / 6]
        ).mean(): "off by one. Hint: the first match is the n = 1st, not the 0th.",
    }
    for value, hint in mistakes.items():
        if abs(got - float(value)) < 1e-5:
            return f"stage 2, one query: this is {hint}"
    if not abs(got - expected) < 1e-5:
        return (
            f"stage 2, one query: matches at ranks 2, 3 and 6, expected (1/2 + 2/3 + 3/6) / 3 = {expected:.4f}, got "
            f"{got:.4f}. Hint: the n-th match at rank r adds n/r."
        )
    try:
        best = float(answer(torch.tensor([True, True, False])))
    except Exception as error:
        return f"stage 3, perfect: of 3 images, {describe(error)}. Hint: a ranking may have any length, len(right)."
    if not abs(best - 1) < 1e-5:
        return f"stage 3, perfect: all matches first must be 1, got {best:.4f}. Hint: is a match lost at the edge?"
    try:
        nobody = float(answer(torch.zeros(4, dtype=torch.bool)))
    except Exception as error:
        return f"stage 4, no match: {describe(error)}. Hint: torch's mean of nothing is NaN; nothing need be caught."
    if nobody == nobody:
        return (
            f"stage 4, no match: expected NaN, got {nobody:g}. Hint: a query that nobody can answer is no failure; it "
            "must not count in the mean."
        )
    return "all stages passed"


@checker(
    "threshold(genuine, impostor, false_accept) takes the distances of both kinds of pairs and returns one: the pairs "
    "up to it are accepted, as many impostors as that share allows, and not one more."
)
def check_threshold(answer: Callable[[Tensor, Tensor, float], float]) -> str:
    """Try `answer`: distances of genuine pairs and of impostors, a share -> up to which distance to accept."""
    genuine = torch.tensor([0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.42, 0.55])
    impostor = torch.cat([torch.tensor([0.22, 0.33, 0.36, 0.44, 0.44]), torch.linspace(0.5, 1, 35)])
    shuffled = impostor[torch.randperm(40, generator=torch.Generator().manual_seed(0))]

    def accepted(false_accept: float, genuine: Tensor = genuine) -> int:
        limit = float(answer(genuine.clone(), shuffled.clone(), false_accept))
        # In float64: a limit just below a distance, by the last bit, is below it.
        return int((shuffled.double() <= limit).sum())

    try:
        got, moved, tied = accepted(0.05), accepted(0.05, genuine + 0.3), accepted(0.1)
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: return one distance; torch.sort puts the impostors in "
            "order."
        )
    if got != moved:
        return (
            f"stage 2, whose pairs: it accepts {got} of 40 impostors, and {moved} of the same 40 when only the genuine "
            "pairs are others. Hint: false accepts are counted among the impostors; the genuine pairs decide nothing."
        )
    if got >= 38:
        return (
            f"stage 3, side: it accepts {got} of 40 impostors. Hint: small distances are accepted, so the impostors to "
            "let in are the nearest, at the low end."
        )
    if got == 3:
        return (
            "stage 4, off by one: it accepts 3 of 40 impostors, 5 % are 2. Hint: a pair at the threshold itself is "
            "accepted, and indices begin at 0: of the sorted impostors, number `allowed` is the first to refuse."
        )
    if got > 3:
        return f"stage 4, share: it accepts {got} of 40 impostors, 5 % are 2. Hint: how many may be let in? Count them."
    if got < 2:
        return (
            f"stage 5, no stricter than asked: it accepts {got} of 40 impostors, 2 are allowed. Hint: each one less "
            "costs genuine pairs; a pair at the threshold itself is accepted."
        )
    if tied != 3:
        return (
            f"stage 6, ties: 4 of 40 are allowed, but the fourth and fifth are equally far, and it accepts {tied}. "
            "Hint: one of two equals cannot be let in alone; stay below both, above the third."
        )
    try:
        everyone = accepted(1.0)
    except Exception as error:
        return f"stage 7, everyone: all 40 are allowed, {describe(error)}. Hint: no impostor is left to stay below."
    if everyone != 40:
        return f"stage 7, everyone: all 40 are allowed, it accepts {everyone}. Hint: no impostor is left to stay below."
    try:
        nobody = accepted(0.01)
    except Exception as error:
        return (
            f"stage 8, nobody: 1 % of 40 is less than one impostor, {describe(error)}. Hint: return a distance below "
            "the nearest."
        )
    if nobody:
        return (
            f"stage 8, nobody: 1 % of 40 is less than one impostor, it accepts {nobody}. Hint: with n = 0, index n − 1 "
            "is −1, the farthest of all; return a distance below the nearest."
        )
    return "all stages passed"


@checker(
    "bootstrap(scores, pids, rng) takes one score and one person for each query, and a NumPy generator, and returns "
    "two numbers, low and high: the middle 95 % of 2000 means, each over as many people, drawn with replacement."
)
def check_bootstrap(
    answer: Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[float, float]],
) -> str:
    """Try `answer`: scores (Q,), NaN where a query has no match, pids (Q,), a generator -> low, high."""
    people, queries = 30, 16
    rng = np.random.default_rng(1)
    scores = np.repeat(rng.uniform(0, 1, people), queries) + rng.normal(0, 0.4, people * queries)
    pids = np.repeat(np.arange(people), queries)
    shuffled = rng.permutation(people * queries)
    scores, pids = scores[shuffled], pids[shuffled]
    each = _of_people(scores, pids)
    exact = 2 * 1.96 * each.std() / math.sqrt(people)  # width; 2000 draws come within some percent

    def tried(
        scores: np.ndarray, pids: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[float, float]:
        low, high = map(float, answer(scores.copy(), pids.copy(), rng or np.random.default_rng(0)))
        return low, high

    used = np.random.default_rng(0)
    try:
        low, high = tried(scores, pids, used)
    except Exception as error:
        hint = "return two numbers; np.unique(pids) are the people."
        if "broadcast" in str(error):
            hint = "pids == who takes one person; go person by person through those who were drawn."
        return f"stage 1, it runs: {describe(error)}. Hint: {hint}"
    if low > high:
        return (
            f"stage 2, order: low {low:.3f}, high {high:.3f}. Hint: low first; quantiles 0.025, then 0.975."
        )
    width = (high - low) / exact
    if width < 0.05:
        return (
            "stage 3, replacement: hardly any scatter. Hint: as many people as there are, with replacement, some twice "
            "and some not at all; without, every draw is the same set."
        )
    if not math.isfinite(width):
        return f"stage 2, numbers: got {low}, {high}. Hint: the mean of each draw, then the quantiles of these means."
    for alone in (_one_of_each(scores, pids), _one_of_each(scores[::-1], pids[::-1])):
        its_width = 2 * 1.96 * alone.std() / math.sqrt(people)
        if abs((low + high) / 2 - alone.mean()) < 0.05 * exact and abs((high - low) / its_width - 1) < 0.09:
            return (
                "stage 4, people: each comes with one query alone. Hint: who is drawn brings all his queries; "
                "scores[pids == who], not the first of them."
            )
    if abs((low + high) / 2 - each.mean()) > 0.2 * exact:
        return (
            f"stage 2, place: from {low:.3f} to {high:.3f}, and the score itself is {each.mean():.3f}. Hint: means of "
            "draws scatter around the score; return their quantiles, not a half-width and not differences."
        )
    wrong = {
        scores.std()
        / math.sqrt(len(scores))
        / each.std()
        * math.sqrt(
            people
        ): "stage 4, people: queries are drawn, which pretends to know more. Hint: the queries of "
        "one person are easy or hard together; draw people, each with all queries.",
        np.ptp(np.quantile(each, (0.025, 0.975))) / exact: (
            "stage 5, means: so far do single people scatter. Hint: the mean of each draw first, then the quantiles."
        ),
        1.645
        / 1.96: "stage 6, both sides: this holds 90 %. Hint: 2.5 % on each side, quantiles 0.025 and 0.975.",
        1
        / 1.96: "stage 6, 95 %: this is one standard deviation to either side. Hint: quantiles 0.025 and 0.975.",
    }
    if abs(width - 1) > 0.09:
        if abs(width / _SETS - 1) < 0.09 and tried((pids == 0).astype(float), pids)[1] < 2 / people:
            return (
                "stage 4, people: who is drawn twice counts once. Hint: np.isin(pids, drawn) asks whether somebody was "
                "drawn, not how often; drawn twice counts twice."
            )
        near, said = min(wrong.items(), key=lambda pair: abs(math.log(pair[0] / width)))
        if abs(near / width - 1) < 0.09:
            return said
        return (
            f"stage 6, width: expected about {exact:.3f}, got {high - low:.3f}. Hint: 2000 draws, each of {people} "
            "people; the mean of each; quantiles 0.025 and 0.975."
        )
    gaps = scores.copy()
    gaps[(pids == 3) | (np.arange(len(pids)) % 4 == 0)] = np.nan
    try:
        low, high = tried(gaps, pids)
    except Exception as error:
        return f"stage 7, NaN: {describe(error)}. Hint: leave out the queries that are NaN first, with their pids."
    if not math.isfinite(low + high):
        return (
            "stage 7, NaN: a query without a match has no score, and one of the people has no other. Hint: leave "
            "these queries out first, with their pids: kept = ~np.isnan(scores)."
        )
    middle, kept = (low + high) / 2, ~np.isnan(gaps)
    if abs(middle - _of_people(gaps[kept], pids[kept]).mean()) > 0.12 * exact:
        if abs(middle - np.nan_to_num(gaps).mean()) < 0.12 * exact:
            return (
                "stage 7, NaN: it counts as 0. Hint: a query that nobody can answer is no failure; leave it out, with "
                "its pid, instead of giving it a score."
            )
        return (
            f"stage 7, NaN: from {low:.3f} to {high:.3f}, and the score of the queries that have one is "
            f"{gaps[kept].mean():.3f}. Hint: kept = ~np.isnan(scores), for scores and pids."
        )
    counts = np.where(np.arange(people) % 2, 24, 4)
    means = np.where(counts > 4, each, each[counts > 4].mean())
    try:
        low, high = tried(np.repeat(means, counts), np.repeat(np.arange(people), counts))
    except Exception as error:
        return (
            f"stage 8, people: {describe(error)}, where some have more queries. Hint: go person by person; "
            "scores[pids == who] may have any length."
        )
    if all(abs((high - low) / right - 1) > 0.06 for right in _widths(means, counts)):
        return (
            "stage 8, people: who has more queries is drawn more often. Hint: draw from np.unique(pids), which holds "
            "everybody once, not from pids."
        )
    # The generator's first numbers: 2000 draws of 30 people take 30 000 of them, or more.
    if used.bit_generator.random_raw() in np.random.default_rng(0).bit_generator.random_raw(25_000)[1:]:
        return (
            "stage 9, draws: fewer than 2000. Hint: the ends of the interval are quantiles far out; of 200 draws five "
            "lie beyond each, and the next run would give other ends."
        )
    return "all stages passed"


_SETS = 0.77  # the width that is left where somebody who is drawn twice counts once


def _of_people(scores: np.ndarray, pids: np.ndarray) -> np.ndarray:
    return np.array([scores[pids == who].mean() for who in np.unique(pids)])


def _one_of_each(scores: np.ndarray, pids: np.ndarray) -> np.ndarray:
    return scores[np.unique(pids, return_index=True)[1]]


def _widths(means: np.ndarray, counts: np.ndarray) -> Iterator[float]:
    """Of the interval where each person weighs the same, and where each query does; both are right."""
    drawn = np.random.default_rng(0).integers(len(means), size=(20_000, len(means)))
    of_queries = (means * counts)[drawn].sum(1) / counts[drawn].sum(1)
    for found in (means[drawn].mean(1), of_queries):
        yield np.ptp(np.quantile(found, (0.025, 0.975)))
