"""Exercises of notebook 01: compute junk, find the leak in a split, write a P×K sampler.

Solutions are in the notebook.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from rga.course.errors import describe
from rga.course.exercises.verdict import checker
from rga.data.samples import Sample, Splits, TrainSample

Sampler = Callable[[Sequence[int], int, int, int], list[list[int]]]

PARENTHESES = "& and | bind tighter than ==, so that each comparison needs its own: (a == b) & (c == d)."


@checker(
    "junk(q_pids, g_pids, q_camids, g_camids) takes the persons and cameras of Q queries and G gallery images and "
    "returns a (Q, G) boolean mask, True where an image is left out of the ranking of a query."
)
def check_junk(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> str:
    """Try `answer`: (Q,), (G,), (Q,), (G,) -> (Q, G) booleans, what the ranking of each query must leave out."""
    q_pids, q_camids = torch.tensor([1, 1, 2]), torch.tensor([1, 2, 1])
    g_pids, g_camids = torch.tensor([1, 1, 2, 2, 0, -1]), torch.tensor([1, 2, 1, 3, 1, 2])
    ids = q_pids, g_pids, q_camids, g_camids
    try:
        got = torch.as_tensor(answer(*(x.clone() for x in ids)))
    except Exception as error:
        hint = "compare a column of queries with a row of gallery images."
        if "ambiguous" in str(error):
            hint = f"{PARENTHESES} And `and` and `or` take single values; masks take & and |."
        return f"stage 1, it runs: {describe(error)}. Hint: {hint}"
    if got.shape != (3, 6):
        return (
            f"stage 2, shape: expected (3, 6), got {tuple(got.shape)}. Hint: one answer for each query and gallery "
            "image; q_pids[:, None] is a column."
        )
    if got.dtype != torch.bool:
        return (
            f"stage 2, dtype: expected booleans, got {got.dtype}. Hint: a comparison gives booleans, and & and | keep "
            "them; .bool() turns numbers into them."
        )
    person, camera = q_pids[:, None] == g_pids, q_camids[:, None] == g_camids
    if any(torch.equal(got, wrong) for wrong in _without_parentheses(*ids)):
        return f"stage 3, parentheses: one is missing round a comparison. Hint: {PARENTHESES}"
    seen, expected = got[:, :5], (person & camera)[:, :5]
    if torch.equal(seen, ~expected):
        return (
            "stage 4, the right way round: True and False have changed places. Hint: True marks what is left out, "
            "not what stays."
        )
    if (seen & ~person[:, :5] & camera[:, :5]).any():
        return (
            "stage 5, strangers: somebody else, or a distractor, is left out. Hint: strangers stay in the ranking, "
            "whatever their camera: to rank them first is a mistake, and counts."
        )
    if (seen & person[:, :5] & ~camera[:, :5]).any():
        return "stage 6, matches: a match is left out. Hint: the same person from another camera is what we look for."
    if not torch.equal(seen, expected):
        return (
            f"stage 7, own camera: expected {expected.int().tolist()} for the first five images, got "
            f"{seen.int().tolist()}. Hint: both pid and camid must be equal."
        )
    if not got[:, 5].all():
        return "stage 8, pid -1: no person, so no stranger either. Hint: it is junk to every query."
    return "all stages passed"


def _without_parentheses(q_pids: Tensor, g_pids: Tensor, q_camids: Tensor, g_camids: Tensor) -> list[Tensor]:
    """The masks that come out where a comparison of the right answer has no parentheses and Python does not mind."""
    q_pids, q_camids = q_pids[:, None], q_camids[:, None]
    person, camera, nobody = q_pids == g_pids, q_camids == g_camids, g_pids == -1
    second, first = (person & q_camids) == g_camids, q_pids == (g_pids & camera)
    return [second, second | nobody, first, first | nobody, (person & camera | g_pids) == -1]


@checker(
    "leak(splits) takes a data set and returns the set of the people, by the data set's own numbers, who are in "
    "training and in query or gallery too."
)
def check_leak(answer: Callable[[Splits], set[int]]) -> str:
    """Try `answer`: the splits of a data set -> the people who are both trained on and searched."""
    broken = _splits(train_pids=(2, 3, 5, 9), query=(1, 3, 7), gallery=(0, 1, 7, 9))
    clean = _splits(train_pids=(2, 5), query=(1, 3), gallery=(0, 1, 3))
    try:
        got, whole = ({int(pid) for pid in answer(splits)} for splits in (broken, clean))
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: return a set of numbers; splits.train holds TrainSamples."
    if got == {0, 1, 3}:
        return (
            "stage 2, numbers: {0, 1, 3} are classes of the training set that happen to be somebody else's number. "
            "Hint: splits.train_pids[label] is the data set's own number of training class label."
        )
    if got == {3}:
        return "stage 3, gallery: 9 was missed. Hint: whoever is in the gallery only is a leak as well."
    if got == {9}:
        return (
            "stage 3, query: 3 was missed. Hint: union of query and gallery, then intersection with training."
        )
    if got == {0, 1, 3, 7, 9}:
        return (
            "stage 4, people: everybody in the gallery is said to leak. Hint: & binds tighter than |, so that the "
            "union needs parentheses: training & (query | gallery)."
        )
    if got != {3, 9}:
        return f"stage 4, people: expected {{3, 9}}, got {got or 'set()'}. Hint: training and (query or gallery)."
    if whole:
        return f"stage 5, a clean split: expected an empty set, got {whole}. Hint: compute, do not remember."
    return "all stages passed"


def _splits(train_pids: Sequence[int], query: Sequence[int], gallery: Sequence[int]) -> Splits:
    def samples(name: str, pids: Sequence[int]) -> tuple[Sample, ...]:
        return tuple(Sample(Path(f"{name}_{pid}.png"), pid, 1) for pid in pids)

    train = tuple(TrainSample(Path(f"train_{label}.png"), label, 1) for label in range(len(train_pids)))
    return Splits(
        "made up", train, samples("query", query), samples("gallery", gallery), train_pids=train_pids
    )


@checker(
    "sampler(pids, p, k, seed) takes the person of each training image and returns the batches of one epoch, "
    "lists of p·k indices into pids."
)
def check_sampler(answer: Sampler) -> str:
    """Try `answer`: (pids, p, k, seed) -> the batches of one epoch, as lists of indices into pids."""
    pids = [0, 1, 2, 3, 4, 5, 6] * 3 + [6, 5, 4, 3, 2, 1, 0] + [0, 0, 3]  # 4 to 6 images of each identity
    p, k, seeds = 3, 4, range(20)
    try:
        epochs = [_batches(answer, pids, p, k, seed) for seed in seeds]
        drawn = [[Counter(pids[i] for i in batch) for batch in epoch] for epoch in epochs]
        again = _batches(answer, pids, p, k, 0)
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: return a list of batches, each a list of indices into pids."
    whole = [people for people in chain(*drawn) if people.total() == p * k]
    if wrong := [people for people in whole if sorted(people.values()) != [k] * p]:
        return (
            f"stage 2, P × K: a batch holds {dict(sorted(wrong[0].items()))} (identity: images). Hint: choose p "
            "identities first, then k images of each; a random batch holds few companions."
        )
    lengths = [[len(batch) for batch in epoch] for epoch in epochs]
    if not whole:
        return (
            f"stage 3, sizes: a batch of 3 × 4 is 12 indices, got batches of {lengths[0]}. Hint: k images of each of "
            "the p identities, one after another in one list."
        )
    if wrong := [found for found in lengths if found != [12, 12]]:
        return (
            f"stage 3, sizes: 7 identities in batches of 3 × 4 are 2 batches of 12 images, got {wrong[0]}. Hint: "
            "an epoch visits each identity once; those that do not fill a batch are left out."
        )
    if any(first.keys() & second.keys() for first, second in drawn):
        return (
            "stage 4, an epoch: an identity is in both batches. Hint: shuffle the identities once, then cut them into "
            "groups of p; drawing p anew each time visits some twice and others never."
        )
    if all(set(batch) <= set(pids) and len(set(batch)) == p for batch in chain(*epochs)):
        return "stage 5, images: a batch holds p numbers, each k times. Hint: return indices into pids, not the pids."
    if any(len(set(batch)) < len(batch) for batch in chain(*epochs)):
        return "stage 5, images: one twice in a batch. Hint: draw the k images of an identity without replacement."
    few = [0, 0, 1, 1, 1]
    try:
        poor = [_batches(answer, few, 2, 4, seed) for seed in seeds]  # one seed may show all by luck
    except Exception as error:
        return f"stage 6, few images: {describe(error)}. Hint: where an identity has fewer than k, take some twice."
    for seed, got in zip(seeds, poor, strict=True):
        if len(got) != 1 or set(got[0]) != set(range(5)) or Counter(few[i] for i in got[0]) != {0: 4, 1: 4}:
            return (
                f"stage 6, few images: 2 and 3 images, k = 4, seed {seed}, got {got}. Hint: take each image once "
                "before any is taken again."
            )
    if epochs[0] != again:
        return "stage 7, seed: the same seed gave other batches. Hint: make a generator of the seed in the function."
    if all(epoch == epochs[0] for epoch in epochs):
        return "stage 7, seed: each seed gives the same batches. Hint: shuffle, with a generator made of the seed."
    images = set(chain.from_iterable(chain(*epochs)))
    if never := set(pids) - {pids[i] for i in images}:
        return (
            f"stage 8, chance: identity {min(never)} never came in {len(epochs)} epochs. Hint: shuffle the identities "
            "before they are cut into groups, or the last are left out of every epoch."
        )
    if never := set(range(len(pids))) - images:
        return (
            f"stage 8, chance: image {min(never)} never came in {len(epochs)} epochs. Hint: draw the k images of an "
            "identity at random; its first k are always the same."
        )
    return "all stages passed"


def _batches(answer: Sampler, pids: Sequence[int], p: int, k: int, seed: int) -> list[list[int]]:
    return [[int(i) for i in batch] for batch in answer(list(pids), p, k, seed)]
