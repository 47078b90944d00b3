"""A run may be stopped at any moment, politely or not: it goes on, and ends with the same bits."""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time

import pytest
import torch
from helpers.processes import start
from helpers.small_network import network

import rga
from rga.training import checkpoint

OPTIONS = {"epochs": 8, "p": 2, "k": 2, "lr": 3e-4, "save_every": 1, "keep": 2, "resume": "auto"}
WORKERS_FORK = pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python 3.12 and 3.13, with threads


def run(samples, path):
    for _ in rga.fit(network(), samples, **OPTIONS, path=path):
        path.with_suffix(".step").touch()


def wait_for(file, process):
    while not file.exists() and process.is_alive():
        time.sleep(0.005)


def logs(path):
    return torch.load(path, weights_only=True)["training"]["logs"]


def weights(path):
    return checkpoint.load_model(path).state_dict()


def test_killed_twenty_times_it_ends_with_the_same_bits(samples, tmp_path):
    straight, path, earlier = (tmp_path / name for name in ("straight.pt", "killed.pt", "earlier.pt"))
    start(run, samples, straight).join()
    part = tmp_path / ".killed.pt.part"
    draw, kills, in_writing = random.Random(0), 0, 0
    # A run that is over starts anew from an earlier checkpoint, so that 20 kills find something to kill. Some more
    # wait until it writes, which a fast disk may not have let the others see.
    while kills < 23:
        path.with_suffix(".step").unlink(missing_ok=True)
        if kills >= 20:
            part.unlink(missing_ok=True)
        process = start(run, samples, path)
        wait_for(path.with_suffix(".step"), process)
        if kills < 20:
            time.sleep(draw.uniform(0, 0.5))
        else:
            wait_for(part, process)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
            in_writing += part.exists()
        process.join()
        if path.exists():
            steps = [log[0] for log in logs(path)]
            assert steps == list(range(1, len(steps) + 1))
            if len(steps) == 16:
                torch.testing.assert_close(weights(path), weights(straight), rtol=0, atol=0)
                shutil.copyfile(checkpoint.kept(path)[-2], earlier)
                os.replace(earlier, path)
    start(run, samples, path).join()
    torch.testing.assert_close(weights(path), weights(straight), rtol=0, atol=0)
    assert in_writing > 0
    assert not part.exists()


def run_with_workers(samples, path):
    os.setpgrp()
    options = OPTIONS | {"epochs": 1000, "save_every": 1000, "workers": 2}
    for _ in rga.fit(network(), samples, **options, path=path):
        path.with_suffix(".step").touch()


@pytest.mark.parametrize("times", [1, 2])
def test_a_termination_of_the_whole_group_saves(samples, tmp_path, times):
    """Of the processes that load images, too, and by a cluster and torchrun both."""
    path = tmp_path / "run.pt"
    process = start(run_with_workers, samples, path)
    wait_for(path.with_suffix(".step"), process)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.1)  # two at once would be one
    process.join()
    assert process.exitcode == -signal.SIGTERM
    steps = [log[0] for log in logs(path)]
    assert steps == list(range(1, len(steps) + 1))


def run_and_fail(samples, path):
    def fail(*_):
        raise RuntimeError("somewhere")

    model = network()
    model.neck.register_forward_hook(fail)
    steps = rga.fit(model, samples, **OPTIONS | {"workers": 2}, path=path)
    try:
        next(steps)
    except RuntimeError as error:
        sys.last_exc = error  # as Python does: its frames, and the loader in them, live on
        path.touch()


def test_an_error_with_workers_ends_the_process(samples, tmp_path):
    path = tmp_path / "failed"
    process = start(run_and_fail, samples, path)
    wait_for(path, process)
    process.join(15)
    alive = process.is_alive()
    process.kill()
    assert not alive and path.exists()


def run_with_a_broken_image(samples, path):
    try:
        for _ in rga.fit(network(), samples, **OPTIONS | {"workers": 2}):
            pass
    except ValueError as error:
        sys.last_exc = error
        path.write_text(str(error))


def test_a_broken_image_in_a_worker_ends_the_process(samples, tmp_path):
    path, broken = tmp_path / "failed", tmp_path / "broken.png"
    broken.write_bytes(samples[0].path.read_bytes()[:900])
    process = start(run_with_a_broken_image, [samples[0]._replace(path=broken)] * 5 + samples[5:], path)
    process.join(60)
    alive = process.is_alive()
    process.kill()
    assert not alive and path.read_text().startswith(f"{broken} cannot be read as an image")


@WORKERS_FORK
@pytest.mark.parametrize("leave", ["close", "end", "throw"])
def test_workers_end_with_the_training(samples, leave):
    steps = rga.fit(network(), samples, **OPTIONS | {"epochs": 1, "workers": 1, "resume": False})
    next(steps)
    assert multiprocessing.active_children()
    if leave == "throw":
        with pytest.raises(ZeroDivisionError):
            steps.throw(ZeroDivisionError)
    else:
        steps.close() if leave == "close" else list(steps)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_in_the_middle_of_an_epoch(samples, tmp_path, number):
    straight, path = tmp_path / "straight.pt", tmp_path / "stopped.pt"
    options = OPTIONS | {"epochs": 2, "save_every": 100}
    list(rga.fit(one := network(), samples, **options, path=straight))

    def body():
        for log in rga.fit(network(), samples, **options, path=path):
            if log.step == 1:
                signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(143)))
    try:
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
            body()
        assert signal.getsignal(signal.SIGTERM).__name__ == "<lambda>"  # the handlers are back
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(logs(path)) == 2  # the step after the signal was finished; epochs have 2
    list(rga.fit(two := network(seed=4), samples, **options, path=path))
    torch.testing.assert_close(two.state_dict(), one.state_dict(), rtol=0, atol=0)
