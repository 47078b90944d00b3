"""Runs that are killed, interrupted twice or cut off from power: what was written before stays whole."""

import json
import os
import random
import signal
import time

import pytest
from helpers.processes import start
from helpers.small_network import network

import rga
from rga.io.json_files import write_json
from rga.training import checkpoint


def train_for_ever(samples, path):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    try:
        for _ in rga.fit(network(), samples, epochs=10**4, p=2, k=2, path=path, save_every=1):
            path.with_suffix(".step").touch()
    except KeyboardInterrupt as error:
        path.with_suffix(".said").write_text(str(error))


def wait_for(path, process):
    while not path.exists():
        assert process.is_alive()
        time.sleep(0.005)


def test_told_twice_to_stop_it_stops_at_once_and_the_checkpoint_is_whole(samples, tmp_path):
    path = tmp_path / "run.pt"
    process = start(train_for_ever, samples, path)
    wait_for(path, process)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 0
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []
    logs = checkpoint.load_training(path)["logs"]
    checkpoint.load_model(path)
    assert [log[0] for log in logs] == list(range(1, len(logs) + 1))


def write_for_ever(path):
    number = 0
    while True:
        write_json(path, {"number": number, "text": "x" * 10**5})
        number += 1


def test_killed_while_it_writes_json_the_file_is_whole(tmp_path):
    path, draw, last = tmp_path / "scores.json", random.Random(0), -1
    for _ in range(4):
        path.unlink(missing_ok=True)
        process = start(write_for_ever, path)
        wait_for(path, process)
        time.sleep(draw.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        last = json.loads(path.read_text(encoding="utf-8"))["number"]
        assert last >= 0


def test_nothing_is_removed_before_the_new_file_is_on_the_disk(tmp_path, monkeypatch):
    """As a power cut would find it: bytes, then name, then what follows, each made to last before the next."""
    done = []

    def spy(name, what):
        original = getattr(os, name)

        def call(*arguments, **options):
            done.append(what(*arguments))
            return original(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    spy("fsync", lambda handle: "folder lasts" if os.path.isdir(f"/proc/self/fd/{handle}") else "bytes last")
    spy("replace", lambda *_: "renamed")
    spy("link", lambda *_: "linked")
    spy("unlink", lambda path, *_: f"{os.path.basename(path)} removed")
    model = network()
    for step in (1, 2, 3):
        done.clear()
        checkpoint.save(tmp_path / "run.pt", model, keep=2, step=step)
    writes = [what for what in done if not what.startswith(".") and "0000003" not in what]
    assert writes == ["bytes last", "renamed", "folder lasts", "linked", "run-0000001.pt removed"]


@pytest.mark.parametrize("length", [0, 4096])
def test_files_that_a_power_cut_left_empty_are_named(samples, tmp_path, length):
    """Of a folder of images that was just unpacked: those files alone are not made to last one by one."""
    path = tmp_path / "0001_1_1.png"
    path.write_bytes(bytes(length))
    with pytest.raises(
        ValueError, match=r"0001_1_1\.png cannot be read as an image .*copy or extract it again"
    ):
        rga.embed(network().eval(), [samples[0]._replace(path=path)])
