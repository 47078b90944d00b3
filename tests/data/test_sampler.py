"""The P×K sampler: what every batch and every epoch holds, and that seed and epoch alone decide it."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rga.data.sampler import PKSampler

pids_lists = st.lists(st.integers(0, 12), min_size=1, max_size=80)
cases = st.tuples(
    pids_lists, st.integers(2, 6), st.integers(2, 6), st.integers(0, 2**40), st.booleans()
).filter(lambda case: len(set(case[0])) >= case[1])


@given(cases)
def test_batches_and_epochs(case):
    pids, p, k, seed, drop_last = case
    sampler = PKSampler(pids, p, k, seed, drop_last)
    images = Counter(pids)
    visits = Counter()
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for number, batch in enumerate(batches):
        identities = [pids[index] for index, _ in batch][::k]
        assert [pids[index] for index, _ in batch] == [pid for pid in identities for _ in range(k)]
        assert len(set(identities)) == len(identities)
        assert len(identities) == p or (number == len(batches) - 1 and not drop_last)
        visits.update(identities)
        times = Counter(index for index, _ in batch)
        for index, count in times.items():
            n = images[pids[index]]
            assert count <= -(-k // n)
            assert n > k or all(times[i] >= k // n for i, pid in enumerate(pids) if pid == pids[index])
    assert set(visits.values()) == {1}
    assert len(visits) == (len(images) // p * p if drop_last else len(images))


@given(cases, st.integers(0, 1000))
def test_seed_and_epoch_decide_everything(case, epoch):
    pids, p, k, seed, drop_last = case
    first, second = (PKSampler(pids, p, k, seed, drop_last) for _ in range(2))
    first.set_epoch(epoch + 1)
    list(first)
    for sampler in (first, second):
        sampler.set_epoch(epoch)
    assert list(first) == list(second) == list(second)


def test_epochs_and_seeds_differ():
    pids = [i // 5 for i in range(100)]
    draws = []
    for seed in range(3):
        sampler = PKSampler(pids, 4, 3, seed)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            draws.append(str(list(sampler)))
    assert len(set(draws)) == 9


def test_draws_are_uniform_over_images_and_have_seeds_of_their_own():
    pids = [i // 6 for i in range(48)]
    sampler = PKSampler(pids, 4, 2)
    times, seeds, partners = Counter(), set(), Counter()
    for epoch in range(600):
        sampler.set_epoch(epoch)
        for batch in sampler:
            times.update(index for index, _ in batch)
            seeds.update(seed for _, seed in batch)
            partners.update(pids[index] for index, _ in batch if 0 in {pids[i] for i, _ in batch})
    assert len(seeds) == sum(times.values()) == 600 * 16
    assert all(abs(times[i] - 200) < 60 for i in range(48))  # binomial, standard deviation 11.5
    assert all(abs(partners[pid] / 1200 - 3 / 7) < 0.1 for pid in range(1, 8))


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    list(PKSampler([0, 0, 1, 1], 2, 2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("identities", "p", "batches"), [(767, 16, 47), (751, 16, 46), (1041, 16, 65), (16, 16, 1)]
)
def test_the_papers_numbers_of_batches(identities, p, batches):
    pids = list(range(identities)) * 4
    assert len(PKSampler(pids, p, 4)) == batches
    assert len(PKSampler(pids, p, 4, drop_last=False)) == batches + (identities % p > 0)


@pytest.mark.parametrize(("p", "k", "message"), [(4, 1, "K > 1 violated"), (1, 4, "P > 1 violated")])
def test_the_triplet_needs_pairs_and_strangers(p, k, message):
    with pytest.raises(
        ValueError, match=rf"{message}: batches of p={p} identities with k={k} images.*p=16, k=4"
    ):
        PKSampler([0, 0, 1, 1, 2, 2, 3, 3], p, k)


@pytest.mark.parametrize(("pids", "found"), [([], "0 .0 images"), ([5, 5, 7], "2 .3 images")])
def test_too_few_identities(pids, found):
    with pytest.raises(ValueError, match=rf"p=4 identities, .* has {found}.*smaller p"):
        PKSampler(pids, 4, 2)


@given(cases)
def test_an_epoch_of_every_image(case):
    pids, p, k, seed, _ = case
    sampler = PKSampler(pids, p, k, seed, every_image=True)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    seen = Counter()
    for batch in batches:
        identities = [pids[index] for index, _ in batch][::k]
        assert [pids[index] for index, _ in batch] == [pid for pid in identities for _ in range(k)]
        assert len(set(identities)) == p
        for index, count in Counter(index for index, _ in batch).items():
            assert count <= -(-k // pids.count(pids[index]))
        seen.update(index for index, _ in batch)
    assert set(seen) == set(range(len(pids)))
    # No more batches than the images of all people, and of the one with the most, need.
    visits = [-(-n // k) for n in Counter(pids).values()]
    assert len(batches) == max(-(-sum(visits) // p), max(visits))


@pytest.mark.parametrize("every_image", [False, True])
def test_shares_are_the_batches_of_one_process(every_image):
    pids = [i // 5 for i in range(60)]
    whole = list(PKSampler(pids, 6, 2, 3, every_image=every_image))
    shares = [list(PKSampler(pids, 6, 2, 3, every_image=every_image, share=(part, 3))) for part in range(3)]
    assert [sum(parts, []) for parts in zip(*shares, strict=True)] == whole
    assert all(len(batch) == 4 for share in shares for batch in share)


@pytest.mark.parametrize("every_image", [False, True])
def test_an_epoch_may_begin_in_its_middle(every_image):
    sampler = PKSampler([i // 5 for i in range(60)], 3, 2, every_image=every_image)
    sampler.set_epoch(4)
    whole = list(sampler)
    sampler.set_epoch(4, start=2)
    assert list(sampler) == whole[2:]
    assert len(sampler) == len(whole)
    sampler.set_epoch(4)
    assert list(sampler) == whole


@pytest.mark.parametrize(("p", "parts", "got"), [(5, 2, "2.5"), (4, 4, "1")])
def test_batches_that_cannot_be_shared(p, parts, got):
    with pytest.raises(
        ValueError, match=rf"{parts} processes share batches of p={p} .*got {got}\. Choose p as"
    ):
        PKSampler([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], p, 2, share=(0, parts))
