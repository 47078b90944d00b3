"""How certain is a score? Bootstrap confidence intervals, by resampling the people of the test set."""

from dataclasses import dataclass

import numpy as np

from rga.metrics.inputs import Ids, as_ids
from rga.metrics.ranking import Ranking


@dataclass(frozen=True)
class Interval:
    """A score, or a difference of two, with its confidence interval: fractions."""

    value: float
    low: float
    high: float
    level: float

    def __str__(self) -> str:
        value, low, high = (100 * x for x in (self.value, self.low, self.high))
        return f"{value:.1f} % ({low:.1f} … {high:.1f} at {self.level:.0%})"


def confidence_interval(
    ranking: Ranking, q_pids: Ids, score: str = "mAP", level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap over people (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    `draws` times the people among the queries are resampled with replacement, each with all their queries (a cluster
    bootstrap); low and high hold the middle `level` of the scores. People and not queries, because the queries of one
    person are correlated: resampled one by one, they would make the interval too narrow. It tells what other people
    would change, with this gallery; not what another training seed would. With few people (below about 30) it is too
    narrow.

    Args:
        ranking: its scores are to be resampled.
        q_pids: (Q,) identities of its queries.
        score: "mAP", "mINP" or "rank-1", "rank-5", ….
        level: of confidence, between 0 and 1.
        draws: resamples.
        seed: of the draws.

    Raises:
        ValueError: for ids that do not fit, and for queries of fewer than two people with a match.
    """
    return _interval(ranking.per_query(score), q_pids, level, draws, seed)


def confidence_of_difference(
    a: Ranking,
    b: Ranking,
    q_pids: Ids,
    score: str = "mAP",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Is a better than b? The interval of a - b, by a paired bootstrap.

    a is better, at that level, if low > 0. The interval is much narrower than those of a and b suggest, which may
    overlap all the same: people who are hard are hard for both.

    Args:
        a, b: rankings of the same queries.
        q_pids: (Q,) identities of these queries.
        score, level, draws, seed: as in `confidence_interval`.

    Raises:
        ValueError: as that does, and for rankings of different queries.
    """
    first, second = a.per_query(score), b.per_query(score)
    if first.shape != second.shape or (np.isnan(first) != np.isnan(second)).any():
        raise ValueError(
            f"expected two rankings of the same queries, got {a.num_valid} of {len(first)} queries with a match and "
            f"{b.num_valid} of {len(second)}."
        )
    return _interval(first - second, q_pids, level, draws, seed)


def _interval(values: np.ndarray, q_pids: Ids, level: float, draws: int, seed: int) -> Interval:
    q_pids = as_ids(q_pids)
    if len(q_pids) != len(values):
        raise ValueError(f"expected one pid a query, got {len(q_pids)} for {len(values)} queries.")
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"expected a level between 0 and 1 and at least one draw, got {level} and {draws}.")
    valid = ~np.isnan(values)
    people, person = np.unique(q_pids[valid], return_inverse=True)
    if len(people) < 2:
        raise ValueError(f"expected queries of at least two people with a match, got {len(people)}.")
    sums, counts = np.bincount(person, values[valid]), np.bincount(person)
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(people), size=len(people)) for _ in range(draws))
    scores = [sums[some].sum() / counts[some].sum() for some in drawn]
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values[valid].mean()), float(low), float(high), level)
