"""Checkers of notebook 01: they pass the solution, and meet each known mistake with its own hint."""

import random

import numpy as np
import pytest
import torch

from rga import metrics
from rga.course.exercises.dataset import check_junk, check_leak, check_sampler
from rga.data.sampler import PKSampler


def junk(q_pids, g_pids, q_camids, g_camids):
    return person(q_pids, g_pids) & camera(q_camids, g_camids) | (g_pids == -1)


def leak(splits):
    return trained(splits) & searched(splits)


def sampler(pids, p, k, seed):
    return [[index for index, _ in batch] for batch in PKSampler(pids, p, k, seed)]


CHECKS = {check_junk: junk, check_leak: leak, check_sampler: sampler}


@pytest.mark.parametrize(("check", "solution"), CHECKS.items())
def test_the_solution_passes(check, solution):
    assert check(solution) == "all stages passed"


@pytest.mark.parametrize(("check", "solution"), CHECKS.items())
def test_a_forgotten_return_is_named(check, solution):
    def forgets(*given):
        solution(*given)

    assert "returned None. Hint: is there a return" in check(forgets)


@pytest.mark.parametrize(("check", "solution"), CHECKS.items())
def test_an_empty_answer_is_told_what_is_asked(check, solution):
    def empty(*given):
        raise NotImplementedError

    assert check(empty).startswith(f"not written yet: {solution.__name__}(")


def test_junk_is_what_the_evaluation_leaves_out():
    draw = torch.Generator().manual_seed(0)
    q_pids, q_camids = torch.arange(12) % 4, torch.randint(3, (12,), generator=draw)
    g_pids, g_camids = torch.randint(-1, 4, (60,), generator=draw), torch.randint(3, (60,), generator=draw)
    distances = torch.rand(12, 60, generator=draw)
    left_out = distances.masked_fill(junk(q_pids, g_pids, q_camids, g_camids), torch.inf)
    nearest = g_pids[left_out.argmin(1)]
    found = metrics.evaluate_ranking(distances, q_pids, g_pids, q_camids, g_camids)
    assert found.num_valid == 12
    assert found.rank(1) == pytest.approx((nearest == q_pids).float().mean().item())


def person(q_pids, g_pids):
    return q_pids[:, None] == g_pids


def camera(q_camids, g_camids):
    return q_camids[:, None] == g_camids


WRONG_JUNK = {
    "stage 1, it runs": lambda q, g, qc, gc: q == g,
    "compare a column": lambda q, g, qc, gc: (q == g) & (qc == gc),
    "(a == b) & (c == d). And `and`": lambda q, g, qc, gc: q[:, None] == g & qc[:, None] == gc,
    "`or` take single values": lambda q, g, qc, gc: person(q, g) and camera(qc, gc),
    "stage 2, shape": lambda q, g, qc, gc: person(q, g)[:, :1],
    "stage 2, dtype": lambda q, g, qc, gc: junk(q, g, qc, gc).int(),
    "got torch.float32. Hint": lambda q, g, qc, gc: junk(q, g, qc, gc).float(),
    "q_pids[:, None] is a column": lambda q, g, qc, gc: junk(q, g, qc, gc).T,
    "stage 3, parentheses": lambda q, g, qc, gc: (q[:, None] == g) & qc[:, None] == gc,
    "each comparison needs its own": lambda q, g, qc, gc: junk(q, g, qc, gc) | g == -1,
    "stage 4, the right way round": lambda q, g, qc, gc: ~junk(q, g, qc, gc),
    "True marks what is left out": lambda q, g, qc, gc: ~person(q, g) | ~camera(qc, gc),
    "stage 5, strangers": lambda q, g, qc, gc: camera(qc, gc),
    "or a distractor": lambda q, g, qc, gc: junk(q, g, qc, gc) | (g == 0),
    "stage 6, matches": lambda q, g, qc, gc: person(q, g) | (g == -1),
    "the same person from another camera": lambda q, g, qc, gc: person(q, g) & ~camera(qc, gc),
    "stage 7, own camera": lambda q, g, qc, gc: torch.zeros(len(q), len(g), dtype=bool),
    "stage 8, pid -1": lambda q, g, qc, gc: person(q, g) & camera(qc, gc),
}


@pytest.mark.parametrize("hint", WRONG_JUNK)
def test_known_mistakes_in_junk(hint):
    assert hint in check_junk(WRONG_JUNK[hint])


def searched(splits, query=True, gallery=True):
    return {s.pid for s in (splits.query if query else ()) + (splits.gallery if gallery else ())}


def trained(splits):
    return {splits.train_pids[s.label] for s in splits.train}


WRONG_LEAK = {
    "stage 1, it runs": lambda s: s.train & s.query,
    "stage 2, numbers": lambda s: {x.pid for x in s.train} & searched(s),
    "9 was missed": lambda s: trained(s) & searched(s, gallery=False),
    "stage 3, query": lambda s: trained(s) & searched(s, query=False),
    "stage 4, people": lambda s: trained(s) | searched(s),
    "training & (query | gallery)": lambda s: (
        trained(s) & searched(s, gallery=False) | searched(s, query=False)
    ),
    "got set()": lambda s: set(),
    "got {1, 7}. Hint: training and (query or gallery)": lambda s: (
        searched(s, gallery=False) & searched(s, query=False)
    ),
    "stage 5, a clean split": lambda s: {3, 9},
}


def test_the_leak_may_come_as_an_array():
    assert check_leak(lambda s: np.array(sorted(leak(s)))) == "all stages passed"


@pytest.mark.parametrize("hint", WRONG_LEAK)
def test_known_mistakes_in_the_leak(hint):
    assert hint in check_leak(WRONG_LEAK[hint])


def groups(pids):
    return {pid: [i for i, other in enumerate(pids) if other == pid] for pid in dict.fromkeys(pids)}


def epoch(pids, p, k, rng, draw, drop_last=True):
    """A sampler with the parts that can be wrong as arguments."""
    images, people = groups(pids), list(groups(pids))
    rng.shuffle(people)
    cut = [people[i : i + p] for i in range(0, len(people), p)]
    return [
        [i for pid in some for i in draw(rng, images[pid], k)]
        for some in cut
        if len(some) == p or not drop_last
    ]


def once_each(rng, images, k):
    return rng.sample(images * -(-k // len(images)), k) if len(images) >= k else (images * k)[:k]


def drawn_anew(pids, p, k, seed):
    rng, images = random.Random(seed), groups(pids)
    count = len(images) // p
    return [
        [i for pid in rng.sample(list(images), p) for i in once_each(rng, images[pid], k)]
        for _ in range(count)
    ]


def random_images(pids, p, k, seed, stop=None):
    """Shuffled indices, cut into batches up to `stop`; the last may be incomplete."""
    order = random.Random(seed).sample(range(len(pids)), len(pids))
    return [order[i : i + p * k] for i in range(0, stop or len(order), p * k)]


class InOrder(random.Random):
    def shuffle(self, people):
        pass


FOREVER = random.Random(0)
WRONG_SAMPLER = {
    "stage 1, it runs": lambda pids, p, k, seed: pids.nonsense(),
    "stage 3, sizes: 7 identities": lambda pids, p, k, seed: sampler(pids, p, k, seed)[:1],
    "are left out": lambda pids, p, k, seed: epoch(pids, p, k, random.Random(seed), once_each, drop_last=False),
    "stage 3, sizes: a batch": lambda pids, p, k, seed: [],
    "k images of each of the p identities": lambda pids, p, k, seed: [
        [i] for batch in sampler(pids, p, k, seed) for i in batch
    ],
    "stage 2, P × K": random_images,
    "choose p identities first": lambda pids, p, k, seed: random_images(pids, p, k, seed, 2 * p * k),
    "stage 4, an epoch": drawn_anew,
    "stage 5, images": lambda pids, p, k, seed: epoch(
        pids, p, k, random.Random(seed), lambda rng, images, k: rng.choices(images, k=k)
    ),
    "indices into pids, not the pids": lambda pids, p, k, seed: [
        [pids[i] for i in batch] for batch in sampler(pids, p, k, seed)
    ],
    "stage 6, few images: ValueError": lambda pids, p, k, seed: epoch(
        pids, p, k, random.Random(seed), lambda rng, images, k: rng.sample(images, k)
    ),
    "once before any is taken again": lambda pids, p, k, seed: epoch(
        pids, p, k, random.Random(seed),
        lambda rng, images, k: once_each(rng, images, k) if len(images) >= k else images[:1] * k,
    ),
    "the same seed gave other batches": lambda pids, p, k, seed: epoch(pids, p, k, FOREVER, once_each),
    "each seed gives the same batches": lambda pids, p, k, seed: epoch(pids, p, k, random.Random(0), once_each),
    "indices into pids": lambda pids, p, k, seed: [[len(pids)] * p * k] * 2,
    "identity 6 never came": lambda pids, p, k, seed: epoch(pids, p, k, InOrder(seed), once_each),
    "image 28 never came": lambda pids, p, k, seed: epoch(
        pids, p, k, random.Random(seed),
        lambda rng, images, k: images[:k] if len(images) >= k else once_each(rng, images, k),
    ),
}  # fmt: skip


@pytest.mark.parametrize("hint", WRONG_SAMPLER)
def test_known_mistakes_in_the_sampler(hint):
    assert hint in check_sampler(WRONG_SAMPLER[hint])


@pytest.mark.parametrize("offset", range(0, 600, 10))
def test_few_images_drawn_with_replacement_do_not_pass_by_luck(offset):
    def draw(rng, images, k):
        return rng.sample(images, k) if len(images) >= k else rng.choices(images, k=k)

    said = check_sampler(lambda pids, p, k, seed: epoch(pids, p, k, random.Random(seed + offset), draw))
    assert said.startswith("stage 6, few images")
