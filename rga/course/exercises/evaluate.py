"""Exercises of notebook 04: write average precision, find the first match, choose a threshold."""

from collections.abc import Callable

import torch
from torch import Tensor

from rga.course.errors import describe
from rga.metrics import Pairs, evaluate_ranking, threshold_at

AveragePrecision = Callable[[Tensor], float]
FirstMatch = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
Threshold = Callable[[Tensor, Tensor, float], float]


def average_precision(right: Tensor) -> float:
    """(G,) booleans, the nearest image first, junk left out -> step-wise average precision; NaN without a match."""
    ranks = 1 + right.nonzero()[:, 0]
    found = torch.arange(1, len(ranks) + 1)
    return (found / ranks).mean().item()


def first_match(
    distances: Tensor, q_pids: Tensor, g_pids: Tensor, q_camids: Tensor, g_camids: Tensor
) -> Tensor:
    """(Q, G) and ids -> (Q,) integers: the rank of each query's first match, junk left out; 0 where there is none."""
    ranking = evaluate_ranking(distances, q_pids, g_pids, q_camids, g_camids)
    return torch.tensor([int(ranks[0]) if len(ranks) else 0 for ranks in ranking.match_ranks])


def threshold(genuine: Tensor, impostor: Tensor, false_accept: float) -> float:
    """Distances of pairs -> up to which distance to accept: as many impostors as allowed, and not one more."""
    return threshold_at(Pairs(genuine.numpy(), impostor.numpy()), false_accept).distance


def check_average_precision(answer: AveragePrecision) -> str:
    """Try `answer` in place of `average_precision`."""
    right = torch.tensor([False, True, True, False, False, True, False, False])
    precision = right.cumsum(0) / torch.arange(1, 9)  # 0, 1/2, 2/3, 1/2, 2/5, 1/2, 3/7, 3/8
    expected = average_precision(right)
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


def check_first_match(answer: FirstMatch) -> str:
    """Try `answer` in place of `first_match`."""
    q_pids, q_camids = torch.tensor([7, 7, 8, 5]), torch.tensor([1, 2, 1, 1])
    g_pids, g_camids = torch.tensor([7, 7, 8, 8, 9, -1, 7]), torch.tensor([1, 2, 1, 2, 1, 2, 2])
    distances = torch.tensor(
        [
            [0.5, 0.2, 0.3, 0.1, 0.4, 0.8, 0.7],
            [0.5, 0.1, 0.2, 0.8, 0.9, 0.4, 0.6],
            [0.6, 0.9, 0.8, 0.7, 0.2, 0.4, 0.5],
            [0.2, 0.5, 0.3, 0.7, 0.8, 0.6, 0.9],
        ]
    )
    ids = q_pids, g_pids, q_camids, g_camids
    expected = first_match(distances, *ids)
    try:
        got = torch.as_tensor(answer(distances.clone(), *(x.clone() for x in ids)))
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: begin with one query, then loop over all."
    if got.shape != (4,) or got.is_floating_point():
        return f"stage 2, shape: expected 4 integers, got {tuple(got.shape)} {got.dtype}. Hint: one rank a query."
    answerable, nobody, got = got[:3].long(), int(got[3]), got.tolist()
    if torch.equal(answerable, expected[:3] - 1):
        return f"stage 3, ranks: got {got[:3]}. Hint: the nearest image has rank 1, not 0."
    mistakes = {  # the ranks of the first three queries that each leads to
        "214 215": "4, junk: it counted as a match. Hint: who stood there a moment ago is no achievement.",
        "245": "4, junk: it counted as a stranger. Hint: no mistake either; what stands behind it moves up.",
        "235": "4, junk: of pid -1 it still has a place. Hint: badly cut boxes are junk to every query.",
        "234": "4, junk: of the query's own camera it still has a place. Hint: it leaves the list, too.",
        "222": "5, strangers: those of the query's camera are gone. Hint: they stay; they make it hard.",
    }
    digits = "".join(map(str, got[:3]))
    for ranks, hint in mistakes.items():
        if digits in ranks.split():
            return f"stage {hint}"
    if not torch.equal(answerable, expected[:3]):
        return (
            f"stage 5, all of it: expected {expected[:3].tolist()}, got {got[:3]}. Hint: sort ascending, drop junk, "
            "then look for the first image of the query's pid."
        )
    if nobody:
        return (
            f"stage 6, no match: nobody in the gallery is person 5, expected 0, got {nobody}. Hint: argmax of a row "
            "without True is 0, which looks like the first place."
        )
    return "all stages passed"


def check_threshold(answer: Threshold) -> str:
    """Try `answer` in place of `threshold`."""
    genuine = torch.tensor([0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.42, 0.55])
    impostor = torch.cat([torch.tensor([0.22, 0.33, 0.44, 0.44]), torch.linspace(0.5, 1, 36)])
    shuffled = impostor[torch.randperm(40, generator=torch.Generator().manual_seed(0))]

    def accepted(false_accept: float) -> tuple[int, int]:
        limit = float(answer(genuine.clone(), shuffled.clone(), false_accept))
        # In float64: a limit just below a distance, by the last bit, is below it.
        return tuple(int((distances.double() <= limit).sum()) for distances in (shuffled, genuine))

    try:
        (got, right), (tied, _) = accepted(0.05), accepted(0.075)
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: return one distance; torch.sort puts the impostors in "
            "order."
        )
    if got == 40 or got == 38:
        return (
            f"stage 2, side: it accepts {got} of 40 impostors. Hint: small distances are accepted, so the impostors to "
            "let in are the nearest, at the low end."
        )
    if got > 2:
        by_genuine = " It looks at the genuine pairs, or at all pairs together." if right >= 7 else ""
        return (
            f"stage 3, rate: it accepts {got} of 40 impostors, 5 % are 2.{by_genuine} Hint: false accepts are counted "
            "among the impostors."
        )
    if got < 2:
        return (
            f"stage 4, no stricter than asked: it accepts {got} of 40 impostors, 2 are allowed. Hint: each one less "
            "costs genuine pairs; a pair at the threshold itself is accepted."
        )
    if tied != 2:
        return (
            f"stage 5, ties: 3 of 40 are allowed, but the third and fourth are equally far, and it accepts {tied}. "
            "Hint: one of two equals cannot be let in alone; stay below both."
        )
    try:
        everyone, _ = accepted(1.0)
    except Exception as error:
        return f"stage 6, everyone: all 40 are allowed, {describe(error)}. Hint: no impostor is left to stay below."
    if everyone != 40:
        return f"stage 6, everyone: all 40 are allowed, it accepts {everyone}. Hint: no impostor is left to stay below."
    return "all stages passed"
