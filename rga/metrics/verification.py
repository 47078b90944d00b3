"""Verification: are these two images the same person? ROC, threshold, and calibrated probability of a distance.

Take the pairs from people the network was not trained on, because training people are told apart more easily; and
not from the test people of a report, because a threshold chosen on the test set makes its rates optimistic. So hold
out some of the training identities (a validation set), and measure on these.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from torch import Tensor

from rga.metrics.inputs import NO_MATCH, NOT_A_NUMBER, Ids, as_numpy, check_ids

FITTED = 500_000  # pairs of either kind that a calibration is fitted to; more do not change it


class Pairs(NamedTuple):
    """Distances of pairs of images, in no order that matters."""

    genuine: np.ndarray  # of one person, by two cameras
    impostor: np.ndarray  # of two people, by any cameras


def verification_pairs(
    distances: np.ndarray | Tensor, q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids, chunk: int = 256
) -> Pairs:
    """All pairs of a query and a gallery image, genuine and impostor, without junk.

    Junk, as in `evaluate_ranking`: images of one person by one camera, and images with pid -1. One set may be both
    query and gallery.

    Args:
        distances: (Q, G), smaller = more alike.
        q_pids, g_pids: identities of the queries (Q,) and of the gallery (G,).
        q_camids, g_camids: their cameras.
        chunk: queries at a time.

    Raises:
        ValueError: for shapes that do not fit, for NaN, and without a pair of either kind.
    """
    distances = distances if isinstance(distances, Tensor) else np.asarray(distances)
    q_pids, g_pids, q_camids, g_camids = check_ids(distances.shape, q_pids, g_pids, q_camids, g_camids)
    kept, genuine, impostor = g_pids != -1, [], []
    for start in range(0, len(q_pids), chunk):
        queries = slice(start, start + chunk)
        rows = as_numpy(distances[queries])
        same = q_pids[queries, None] == g_pids
        genuine.append(rows[same & kept & (q_camids[queries, None] != g_camids)])
        impostor.append(rows[~same & kept & (q_pids[queries, None] != -1)])
    return _checked(Pairs(np.concatenate(genuine), np.concatenate(impostor)))


@dataclass(frozen=True)
class ROC:
    """The receiver operating characteristic: rates of accepting all pairs up to a threshold, from strict to lax."""

    threshold: np.ndarray  # (T,) each distance that a genuine pair has; a pair at that distance is accepted
    false_accept: np.ndarray  # (T,) share of the impostors (FAR)
    true_accept: np.ndarray  # (T,) share of the genuine (TAR)
    auc: float  # area: chance that an impostor is farther than a genuine pair, ties half

    @property
    def equal_error(self) -> float:
        """The equal error rate (EER): the mean of false accept and false reject rate where they are nearest."""
        nearest = np.argmin(np.abs(self.false_accept - (1 - self.true_accept)))
        return float((self.false_accept[nearest] + 1 - self.true_accept[nearest]) / 2)


def roc(pairs: Pairs) -> ROC:
    """The exact curve at its corners: thresholds between accept more impostors and not one genuine pair more."""
    pairs = _checked(pairs)
    impostor, (threshold, count) = np.sort(pairs.impostor), np.unique(pairs.genuine, return_counts=True)
    nearer, as_near = (np.searchsorted(impostor, threshold, side) for side in ("left", "right"))
    auc = 1 - (count * (nearer + as_near)).sum() / 2 / count.sum() / len(impostor)
    return ROC(threshold, as_near / len(impostor), np.cumsum(count) / count.sum(), float(auc))


@dataclass(frozen=True)
class Threshold:
    """Accept a pair up to this distance; the rates, and the numbers of pairs they were measured on."""

    distance: float
    false_accept: float
    true_accept: float
    genuine: int
    impostor: int

    def __str__(self) -> str:
        return (
            f"same person up to {self.distance:.4f}: accepts {self.true_accept:.1%} of {self.genuine} genuine pairs "
            f"and {self.false_accept:.2%} of {self.impostor} impostors"
        )


def threshold_at(pairs: Pairs, false_accept: float) -> Threshold:
    """The largest distance at a false accept rate of no more than this.

    The pairs share people and are not independent: on other people the rate is another, the more so the fewer people
    there are. Raises ValueError for a rate below one impostor, which these pairs cannot measure.
    """
    pairs = _checked(pairs)
    impostor, genuine = np.sort(pairs.impostor), np.sort(pairs.genuine)
    allowed = int(false_accept * len(impostor) + 1e-6)
    if not 0 < false_accept <= 1 or allowed < 1:
        raise ValueError(
            f"expected a share of impostors between {1 / len(impostor):.2g} (one of {len(impostor)}) and 1, got "
            f"{false_accept}: take a larger one, or measure on more pairs."
        )
    distance = max(impostor[-1], genuine[-1])
    if allowed < len(impostor):
        refused = impostor[allowed]
        nearer = (kind[: np.searchsorted(kind, refused)] for kind in (impostor, genuine))
        distance = max((kind[-1] for kind in nearer if kind.size), default=np.nextafter(refused, -np.inf))
    accepted = (np.searchsorted(x, distance, side="right") for x in (impostor, genuine))
    rates = (float(n / len(x)) for n, x in zip(accepted, (impostor, genuine), strict=True))
    return Threshold(float(distance), *rates, len(genuine), len(impostor))


@dataclass(frozen=True)
class Calibration:
    """log-odds of "the same person" = intercept - slope * distance, at a prior of 1/2."""

    slope: float
    intercept: float

    def probability(self, distance: float | np.ndarray, prior: float = 0.5) -> float | np.ndarray:
        """That two images so far apart show one person; prior: how likely it was before looking.

        Pairs picked from a gallery of strangers have a small prior. One number for one, an array for an array.
        """
        if not 0 < prior < 1:
            raise ValueError(f"expected a prior between 0 and 1, got {prior}.")
        probability = expit(self.intercept - self.slope * np.asarray(distance, dtype=float) + logit(prior))
        return probability if np.ndim(distance) else float(probability)


def calibrate(pairs: Pairs) -> Calibration:
    """Platt scaling: logistic regression of genuine or impostor on the distance (Platt, 1999, with smoothed targets).

    Either kind weighs one half, however many pairs it has; of more than 500,000, as many evenly spaced quantiles are
    taken. It holds for these images and this network: other cameras and another network need their own. Raises
    ValueError without pairs of both kinds, and for distances that are not finite.
    """
    pairs = _checked(pairs)
    x = [_thinned(kind).astype(float) for kind in pairs]
    if not all(np.isfinite(kind).all() for kind in x):
        raise ValueError("expected finite distances, got infinity: leave such pairs out.")
    middle = (x[0].mean() + x[1].mean()) / 2
    scale = np.sqrt((x[0].var() + x[1].var()) / 2) or 1.0
    x = [(kind - middle) / scale for kind in x]
    targets = (len(pairs.genuine) + 1) / (len(pairs.genuine) + 2), 1 / (len(pairs.impostor) + 2)

    def loss_and_gradient(weights):
        loss, gradient = 0.0, np.zeros(2)
        for kind, target in zip(x, targets, strict=True):
            z = weights[0] - weights[1] * kind
            error = expit(z) - target
            loss += (np.logaddexp(0, z) - target * z).mean()
            gradient += error.mean(), -(error * kind).mean()
        return loss, gradient

    intercept, slope = minimize(loss_and_gradient, np.zeros(2), jac=True, method="BFGS").x
    return Calibration(float(slope / scale), float(intercept + slope * middle / scale))


def _checked(pairs: Pairs) -> Pairs:
    genuine, impostor = (np.asarray(kind) for kind in pairs)
    if not genuine.size:
        raise ValueError(NO_MATCH)
    if not impostor.size:
        raise ValueError(
            "there is no impostor, a pair of two people: take the images of at least two identities."
        )
    if np.isnan(genuine).any() or np.isnan(impostor).any():
        raise ValueError(NOT_A_NUMBER)
    return Pairs(genuine, impostor)


def _thinned(distances: np.ndarray) -> np.ndarray:
    if len(distances) <= FITTED:
        return distances
    return np.sort(distances)[np.linspace(0, len(distances) - 1, FITTED).round().astype(int)]
