"""Checkers of notebook 01: they pass the solution, and meet each known mistake with its own hint."""

import random

import numpy as np
import pytest
import torch

from rga import metrics
from rga.course.exercises.dataset import check_junk, check_leak, check_sampler, junk, leak, sampler


@pytest.mark.parametrize(
    ("check", "solution"), [(check_junk, junk), (check_leak, leak), (check_sampler, sampler)]
)
def test_the_solution_passes(check, solution):
    assert check(solution) == "all stages passed"


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
    "stage 2, shape": lambda q, g, qc, gc: person(q, g).int(),
    "q_pids[:, None] is a column": lambda q, g, qc, gc: junk(q, g, qc, gc).T,
    "stage 3, strangers": lambda q, g, qc, gc: camera(qc, gc),
    "or a distractor": lambda q, g, qc, gc: junk(q, g, qc, gc) | (g == 0),
    "stage 4, matches": lambda q, g, qc, gc: person(q, g) | (g == -1),
    "stage 5, own camera": lambda q, g, qc, gc: torch.zeros(len(q), len(g), dtype=bool),
    "stage 6, pid -1": lambda q, g, qc, gc: person(q, g) & camera(qc, gc),
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
    "got {}": lambda s: set(),
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


def random_images(pids, p, k, seed):
    order = random.Random(seed).sample(range(len(pids)), len(pids))
    return [order[i : i + p * k] for i in range(0, p * k * (len(set(pids)) // p), p * k)]


class InOrder(random.Random):
    def shuffle(self, people):
        pass


FOREVER = random.Random(0)
WRONG_SAMPLER = {
    "stage 1, it runs": lambda pids, p, k, seed: pids.nonsense(),
    "are left out": lambda pids, p, k, seed: epoch(pids, p, k, random.Random(seed), once_each, drop_last=False),
    "stage 2, sizes": lambda pids, p, k, seed: [],
    "stage 3, P × K": random_images,
    "stage 4, an epoch": drawn_anew,
    "stage 5, images": lambda pids, p, k, seed: epoch(
        pids, p, k, random.Random(seed), lambda rng, images, k: rng.choices(images, k=k)
    ),
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
