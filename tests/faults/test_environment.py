"""What the machine around a run does: memory, workers, shared memory, the clock, the locale."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from helpers.small_network import network
from PIL import Image

import rga
from rga import __main__ as command_line
from rga.course import sandbox
from rga.data import loaders
from rga.io.paths import ROOT
from rga.search import build_index
from rga.training import checkpoint, checks, loop

WORKERS_FORK = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 and later
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB. More."
)
AT = {"step": 3, "epoch": 2}


# ---------------------------------------------------------------- memory


def test_out_of_memory_says_what_to_change_with_numbers(samples, tmp_path, monkeypatch):
    """And the step's tensors can be freed: the next try has the memory of this one."""
    step, freed = loop.training_step, []

    class Tensors(list):
        def __del__(self):
            freed.append(True)

    def fail_in_the_third(*arguments, batch, **options):
        tensors = Tensors([batch])
        if checkpoint_there():
            raise torch.OutOfMemoryError(OUT_OF_MEMORY)
        del tensors
        return step(*arguments, batch=batch, **options)

    def checkpoint_there():
        return (tmp_path / "run.pt").exists()

    monkeypatch.setattr(loop, "training_step", fail_in_the_third)
    options = {"epochs": 3, "p": 4, "k": 2, "save_every": 1, "path": tmp_path / "run.pt"}
    with pytest.raises(ValueError) as raised:
        for _ in rga.fit(network(), samples, **options):
            freed.clear()
    assert str(raised.value) == (
        "out of memory on cpu at step 2, epoch 2, with p x k = 4 x 2 = 8 images of 64 x 32 a step, 8 at once "
        "(accumulate=1): CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB. "
        "Use accumulate=2 (4 images at once), or a smaller p or k, or images smaller than 64 x 32; "
        f"the last good checkpoint is {tmp_path / 'run.pt'}."
    )
    assert freed == [True]
    monkeypatch.undo()
    logs = list(rga.fit(network(), samples, **options | {"accumulate": 2, "resume": True}))
    assert [log.step for log in logs] == [1, 2, 3]


def test_the_advice_is_possible():
    """Micro-batches of two identities at least, the same number for every process."""
    model, error = network(), torch.OutOfMemoryError(OUT_OF_MEMORY)

    def advice(p, accumulate):
        return checks.memory_message(error, AT, model, p, 4, accumulate, "fp32", None)

    assert "accumulate=2 (32 images at once)" in advice(16, 1)
    assert "accumulate=8 (8 images at once)" in advice(16, 4)
    assert "accumulate=3 (24 images at once)" in advice(18, 2)
    assert "Use a smaller p or k" in advice(16, 8) and "nothing was saved" in advice(16, 8)


def test_out_of_memory_on_a_cpu_is_known_too():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    assert "out of memory on cpu at step 3" in checks.memory_message(
        raised.value, AT, network(), 16, 4, 1, "fp32", None
    )
    assert checks.memory_message(RuntimeError("another"), AT, network(), 16, 4, 1, "fp32", None) is None


# ---------------------------------------------------------------- workers


@WORKERS_FORK
def test_a_worker_that_is_killed_is_told_of(samples):
    """As by the kernel, for lack of memory: PyTorch raises it from a signal, wherever the training process is."""
    loader = loaders.test_loader(samples * 500, (256, 128), batch_size=64, workers=1)

    def kill():
        time.sleep(0.2)
        os.kill(loader._iterator._workers[0].pid, signal.SIGKILL)

    batches = iter(loader)
    next(batches)
    threading.Thread(target=kill).start()
    with pytest.raises((OSError, RuntimeError)) as raised:
        for _ in batches:
            pass
        time.sleep(5)
    loader.close()
    said = str(raised.value) if isinstance(raised.value, OSError) else loaders.worker_ended(raised.value)
    assert said.startswith("a process that loads images has ended (") and "Use fewer workers" in said


@pytest.mark.parametrize("error", [ConnectionResetError("reset by peer"), EOFError("nothing more")])
def test_a_worker_that_is_killed_while_it_hands_over_a_batch(error, samples, monkeypatch):
    loader = loaders.test_loader(samples, (256, 128), workers=0)

    def batches(self):
        raise error
        yield

    monkeypatch.setattr(loaders.DataLoader, "__iter__", batches)
    with pytest.raises(OSError, match=f"has ended .{error}.: perhaps"):
        list(loader)


def test_a_command_whose_worker_is_killed_ends_in_one_line(monkeypatch, capsys):
    error = RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    def run(arguments):
        """List nothing."""
        raise error

    monkeypatch.setattr("rga.commands.list.run", run)
    assert command_line.main(["list"]) == 1
    assert capsys.readouterr().err.splitlines() == [loaders.worker_ended(error)]
    error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        command_line.main(["list"])


READ_WITH_A_WORKER = """
import sys
from pathlib import Path
from rga.data import Sample
from rga.data.loaders import test_loader
samples = [Sample(Path(sys.argv[1]), 1, 1)] * 8
if __name__ == "__main__":
    try:
        list(test_loader(samples, (256, 128), batch_size=4, workers=1))
    except OSError as error:
        print(error)
"""


@pytest.mark.skipif(sandbox.missing() is not None, reason=f"{sandbox.missing()}")
def test_without_shared_memory_there_is_an_error_and_no_hang(samples):
    """PyTorch alone would wait for ever: its error is raised in a thread of the worker that nobody hears of.

    The process ends, too, though it keeps no loader to close.
    """
    script = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$0" "$@"'
    command = [*sandbox.UNSHARE, "sh", "-c", script, sys.executable, "-c", READ_WITH_A_WORKER]
    said = subprocess.run(
        [*command, samples[0].path],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert said.stdout.startswith("there is no shared memory for a batch of 0.4 MiB"), said
    assert "--shm-size" in said.stdout and "workers=0" in said.stdout


# ---------------------------------------------------------------- clock and locale


def test_a_clock_that_jumps_back_changes_nothing(samples, tmp_path, monkeypatch):
    """Speeds are of a clock that only goes on, and files are compared by whether they differ, not by which is later."""
    now = iter(range(10**9, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    logs = list(rga.fit(network(), samples, epochs=1, p=2, k=2, path=tmp_path / "run.pt"))
    assert all(log.images_per_second > 0 and 0 <= log.waiting <= 1 for log in logs)
    monkeypatch.undo()
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "a.png"
    shutil.copyfile(samples[0].path, image)
    model = checkpoint.load_model(tmp_path / "run.pt")
    before = build_index(model, image.parent, tmp_path / "index")
    Image.new("RGB", (20, 40), (0, 0, 255)).save(image)
    os.utime(image, (0, 0))  # 1970
    after = build_index(model, image.parent, tmp_path / "index")
    assert not torch.equal(before.features, after.features)


IN_ASCII = """
import sys
from rga.__main__ import main
from rga.io.json_files import read_json, write_json
assert sys.getfilesystemencoding() == "ascii"
codes = [main(["list"]), main(["prepare", "folder", sys.argv[1]]), main(["prepare", "folder", sys.argv[2]])]
write_json(sys.argv[3], {"name": "\\u00e9"})
assert read_json(sys.argv[3], "a name") == {"name": "\\u00e9"}
sys.exit(str(codes) if codes != [0, 0, 1] else 0)
"""


def test_a_locale_without_utf8(samples, tmp_path):
    """File names and texts outside ASCII are read; what the terminal cannot show becomes a question mark."""
    (tmp_path / "people é").mkdir()
    for i, sample in enumerate(samples):
        shutil.copyfile(sample.path, tmp_path / "people é" / f"{sample.pid:04}_{sample.camid}_{i} Ærø.png")
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = subprocess.run(
        [sys.executable, "-c", IN_ASCII, tmp_path / "people é", tmp_path / "niemand ä", tmp_path / "ä.json"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
    )
    assert ran.returncode == 0 and b"Traceback" not in ran.stderr, ran
    assert b"CUHK03" in ran.stdout or b"cuhk03" in ran.stdout
