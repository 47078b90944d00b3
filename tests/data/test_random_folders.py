"""200 small sets, their names by twenty schemes: read as they are meant or with a doubt, none wrongly in silence."""

import random
import re

import pytest

from rga.data import doctor, folder

WORDS = ("anna", "bob", "carla", "dan", "emil", "fay", "gus", "hana", "ivo", "jule", "kim", "lea")
PLACES = ("attic", "door", "hall", "lobby", "stair", "yard")
# p, c, i: numbers of person, camera, and image of that person under that camera; n: of all images.
SCHEMES = (
    lambda p, c, i, n: f"{p:04}_{c}_{i}",  # the documented form
    lambda p, c, i, n: f"{p:04}_c{c}s1_{n:06}_00",  # Market-1501
    lambda p, c, i, n: f"{WORDS[p]}_{PLACES[c]}_{i}",
    lambda p, c, i, n: f"{p:04}/{p:04}_{c}_{n}",
    lambda p, c, i, n: f"cam{c}/{p}_{c}_{i}",
    lambda p, c, i, n: f"{p:04}_{i:03}_{c:02}_0303morning_{n:04}",  # MSMT17
    lambda p, c, i, n: f"{p}_{i}_{c}",
    lambda p, c, i, n: f"cam{c}_{n}",  # nobody says who
    lambda p, c, i, n: f"{WORDS[p]}/cam{c}_{i}",
    lambda p, c, i, n: f"cam{c:02}_person{p:02}_frame{i:03}",
    lambda p, c, i, n: f"camera-{c}/{WORDS[p]}_{i:04}",
    lambda p, c, i, n: f"cam_{'abcdef'[c]}/{p:03}_{45 * i}",  # VIPeR
    lambda p, c, i, n: f"{WORDS[p]}/IMG_{n:04}",
    lambda p, c, i, n: f"{WORDS[p]}/{c}_{i}",
    lambda p, c, i, n: f"{WORDS[p]}/{PLACES[c]}_{i}",
    lambda p, c, i, n: f"{c}_{p}_{i}",
    lambda p, c, i, n: f"{PLACES[c]}_{WORDS[p]}_{i}",
    lambda p, c, i, n: f"{WORDS[p]}_{n:05}",
    lambda p, c, i, n: f"{p:04}C{c}T0001F{n:03}",  # MARS
    lambda p, c, i, n: f"{PLACES[c]}/{WORDS[p]}_{i}_{n}",
    lambda p, c, i, n: f"{n}_{p}_{c}",
    lambda p, c, i, n: f"{WORDS[p]}-cam{c}_{i}_x",
    lambda p, c, i, n: f"{PLACES[c]}_{p:04}_{i}",
    lambda p, c, i, n: f"{WORDS[p]}/cam{c}/{i}_{n}",
    lambda p, c, i, n: f"{p}-{c}_day{1 + n % 2}_{n}",
    lambda p, c, i, n: f"{p:04}_{i}_{c:02}",
    lambda p, c, i, n: f"{i}_{p}_{c}",
    lambda p, c, i, n: f"mine_{p}_{c}_{i}",
)


def alike(read, meant):
    """Whether two ways to divide images into groups are the same, whatever the groups are called."""
    pairs = set(zip(read, meant, strict=True))
    return len({r for r, _ in pairs}) == len({m for _, m in pairs}) == len(pairs)


def load(root):
    """The samples by path, and the doctor's words."""
    splits = folder.load(root)
    samples = {path: (splits.train_pids[label], camid) for path, label, camid in splits.train}
    samples |= {path: (pid, camid) for path, pid, camid in splits.query + splits.gallery}
    return samples, splits, doctor.examine(splits)


@pytest.mark.parametrize("scheme", range(len(SCHEMES)))
def test_none_is_read_wrongly_without_a_word(tmp_path, scheme):
    for seed in range(8):
        rng = random.Random(f"{scheme} {seed}")
        people, cameras = rng.randint(4, 9), rng.randint(1, 5)
        root, meant = tmp_path / str(seed), {}
        for p in range(people):
            for c in range(cameras):
                for i in range(rng.randint(1, 3)):
                    path = root / f"{SCHEMES[scheme](p, c, i, len(meant))}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(bytes([len(meant) % 256]))  # the names alone are read
                    meant[path] = p, c
        try:
            samples, splits, report = load(root)
        except ValueError as error:
            assert re.search("seem to be misread|are not named as expected", str(error))
            assert "pass pattern=" in str(error)
            continue
        assert re.search(r"names read without a pattern: .* -> person .*, camera ", str(splits))
        right = all(
            alike([samples[path][x] for path in samples], [meant[path][x] for path in samples])
            for x in (0, 1)
        )
        assert right or splits.doubts and "not sure" in str(report), (SCHEMES[scheme], people, cameras)
        assert samples.keys() == meant.keys()


@pytest.mark.parametrize("scheme", (1, 3, 4))
def test_names_that_leave_no_doubt(tmp_path, scheme):
    for n in range(144):
        path = tmp_path / f"{SCHEMES[scheme](n // 12, n // 4 % 3, n % 4, n)}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    assert not folder.load(tmp_path).doubts
