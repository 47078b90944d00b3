"""Images that are read by other processes: a broken one stops a command with the same message, and the command ends."""

import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def people(gallery, tmp_path):
    """Four people under two cameras, of whom one image is cut short: the folder of the set, and that image."""
    images = sorted(gallery.rglob("*.png"))
    for pid in range(4):
        for subset in ("train", "query", "gallery"):
            for camid in range(2):
                name = tmp_path / "people" / subset / f"{pid + 4 * (subset != 'train')}_c{camid}_{subset}.png"
                name.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(images[pid], name)
    whole = name.read_bytes()
    name.write_bytes(whole[: len(whole) // 2])
    return tmp_path / "people", name


def rga(*arguments):
    """Exit status, stdout and stderr of a command: a process of its own, since at its end workers may hold it up."""
    command = [sys.executable, "-m", "rga", *map(str, arguments), "--device", "cpu", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_a_broken_image_ends_the_command(people, checkpoints, tmp_path, command):
    root, broken = people
    out = ["--out", tmp_path / "out.json"] if command == "calibrate" else []
    code, _, err = rga(command, "folder", root, *out, "--checkpoint", checkpoints / "one.pt")
    assert code == 1 and err.count("\n") == 1
    assert err.startswith(f"{broken} cannot be read as an image (")


def test_a_search_that_leaves_it_out_ends(people, checkpoints):
    root, broken = people
    query = root / "query" / "4_c0_query.png"
    given = "--gallery", root / "gallery", "--checkpoint", checkpoints / "one.pt", "-k", 3
    code, out, err = rga("search", query, *given, "--skip-unreadable")
    assert code == 0 and len(out.splitlines()) == 5
    assert err == f"left out, cannot be read: {broken.name}\n"
