"""Is one method better than another? Student's t-interval of the differences between runs of the same seeds."""

from collections.abc import Iterable, Mapping

import numpy as np
from scipy.special import stdtrit  # scipy.stats has it as t.ppf, and takes a second to import

from rga.metrics.bootstrap import Interval


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """The mean of runs of several seeds, and where it would lie for seeds without end: mean ± t s / √n.

    s is the standard deviation with n - 1. It assumes that scores scatter about normally, and says what other seeds
    would change, with these people; `confidence_interval` says what other people would, with this network. Raises
    ValueError for fewer than two values: one run has no scatter.
    """
    scores = np.fromiter(values, dtype=float)
    if len(scores) < 2:
        raise ValueError(
            f"expected the scores of at least two seeds, got {len(scores)}: one run shows no scatter."
        )
    mean = scores.mean()
    half = stdtrit(len(scores) - 1, (1 + level) / 2) * scores.std(ddof=1) / np.sqrt(len(scores))
    return Interval(float(mean), float(mean - half), float(mean + half), level)


def paired_interval(a: Mapping[int, float], b: Mapping[int, float], level: float = 0.95) -> Interval:
    """Is a better than b? The t-interval of a - b, seed by seed: a is better, at that level, if low > 0.

    a, b: {seed: score}; seeds that only one of them has are left out. Runs of one seed share the order of batches and
    the augmentation; what that does to both of them cancels. Raises ValueError for fewer than two common seeds.
    """
    return t_interval([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())], level)
