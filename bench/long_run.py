"""Do memory, file handles and checkpoints stay bounded in a long run? 1000 epochs, and 50 restarts, of a tiny network.

    python bench/long_run.py [--epochs 1000] [--restarts 50] [--parts files …] [--out bench/long_run.json]

Twelve drawn people at 64x32, two convolutions with RGA-SC between them, two steps an epoch. A checkpoint is written
every five epochs (in the last two parts after each), three are kept, and every 50 epochs the network is evaluated.
Each part is a process of its own:

files: log.csv and checkpoints; tensorboard: events as well; workers: images loaded by two processes, a fifth of the
epochs; closed: a run that is closed and resumed in one process; killed: one that is resumed in a new process each
time, and ended by SIGKILL and SIGTERM in turn. The last two have to end with the bits of an uninterrupted run.

Memory is what the process holds (resident set size, with that of its workers), read from /proc, so Linux only. Slopes
are of a straight line through the last three quarters of the epochs, KiB an epoch.
"""

import argparse
import gc
import json
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from own_process import ROOT, run_script
from torch import nn

import rga
from rga.drawn_people.release import draw_release
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.models import RGA, ReIDModel
from rga.runs.run_logger import RunLogger
from rga.training import checkpoint
from rga.training.log import Log

SIZE, SAVE_EVERY, EVALUATE_EVERY = (64, 32), 5, 50
OPTIONS = {"p": 4, "k": 2, "keep": 3}
PARTS = ("files", "tensorboard", "workers", "closed", "killed")
COLUMNS = ("epoch", "rss_kib", "handles", "threads", "checkpoints")


def draw(folder):
    """Twelve people, eight of them to train on."""
    return rga.data.load("cuhk03", draw_release(folder, identities=(8, 4), images_per_camera=2, workers=1))


def network(num_pids, seed=0):
    torch.manual_seed(seed)
    backbone = nn.Sequential(
        nn.Conv2d(3, 16, 4, 4, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        RGA(16, (SIZE[0] // 4, SIZE[1] // 4)),
        nn.Conv2d(16, 32, 4, 4, bias=False),
        nn.BatchNorm2d(32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return ReIDModel(backbone, 32, num_pids, SIZE)


def usage(folder):
    """What this process and its workers hold now: KiB, open file handles, threads; and checkpoints in the folder."""
    gc.collect()  # what only waits to be collected is no leak
    pids = [os.getpid(), *(worker.pid for worker in multiprocessing.active_children())]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    kib = pages * os.sysconf("SC_PAGE_SIZE") // 1024
    handles, threads = (
        sum(len(os.listdir(f"/proc/{pid}/{kind}")) for pid in pids) for kind in ("fd", "task")
    )
    return kib, handles, threads, len(list(folder.glob("*.pt")))


def slope(rows):
    """KiB an epoch, over the last three quarters of the rows."""
    epochs, kib, *_ = np.array(rows[len(rows) // 4 :], dtype=float).T
    return float(np.polyfit(epochs, kib, 1)[0])


def long_run(splits, folder, epochs, every, tensorboard=False, workers=0):
    """One run; usage every `every` epochs, and what a step adds to the checkpoint."""
    model, rows, sizes = network(splits.num_pids), [], []
    path, options = folder / "run.pt", OPTIONS | {"epochs": epochs, "workers": workers}
    options |= {"save_every": SAVE_EVERY, "evaluate_every": EVALUATE_EVERY}
    started = time.perf_counter()
    with RunLogger(folder, tensorboard) as logger:
        for log in rga.fit(model, splits.train, path=path, **options):
            logger.step(log)
            if log.ends_epoch and log.epoch % EVALUATE_EVERY == 0:
                logger.score(log.step, rga.evaluate(model, splits).embedding)
            if log.ends_epoch and log.epoch % every == 0:
                rows.append((log.epoch, *usage(folder)))
                newest = checkpoint.kept(path)[-1]
                sizes.append((int(newest.stem[-7:]), newest.stat().st_size))
    first, last = sizes[0], sizes[-1]
    return {
        "epochs": epochs,
        "seconds": time.perf_counter() - started,
        "kib_per_epoch": slope(rows),
        "checkpoint_bytes": last[1],
        "checkpoint_bytes_per_step": (last[1] - first[1]) / (last[0] - first[0]),
        "usage": dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)),
    }


def log_bytes(count=1000):
    """What one Log takes in memory: `rga.fit` holds those of all steps, since its checkpoint does."""
    tracemalloc.start()
    logs = [
        Log(step + 10**6, 10**7, step, 10**6, *(step + i / 10 for i in range(6))) for step in range(count)
    ]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (held - sys.getsizeof(logs)) / count


def resumed(splits, folder, epochs, seed=0):
    """The logs of a run in this folder, from its checkpoint if there is one; else the seed is that of the weights."""
    options = OPTIONS | {"epochs": epochs, "save_every": 1, "path": folder / "run.pt", "resume": "auto"}
    return rga.fit(network(splits.num_pids, seed), splits.train, **options)


def new_steps(logs):
    return (log for log in logs if not log.held)


def same_bits(one, other):
    """Whether two folders hold checkpoints of the same network and the same losses."""
    losses = [
        [row[:8] for row in checkpoint.load_training(folder / "run.pt")["logs"]] for folder in (one, other)
    ]
    states = [torch.load(folder / "run.pt", weights_only=True)["model"] for folder in (one, other)]
    return losses[0] == losses[1] and all(torch.equal(states[0][name], states[1][name]) for name in states[1])


def closed(splits, folder, restarts):
    """A run that is closed after three steps and resumed from its last checkpoint, all in one process."""
    epochs, rows = restarts + 1, []
    for part in ("straight", "cut"):
        (folder / part).mkdir()
    list(resumed(splits, folder / "straight", epochs))
    for number in range(restarts):
        logs = resumed(splits, folder / "cut", epochs, seed=number)
        with closing(logs):
            for steps, _ in enumerate(new_steps(logs), 1):
                if steps == 3:  # of two an epoch: the first epoch is saved
                    break
        rows.append((number + 1, *usage(folder / "cut")))
    list(resumed(splits, folder / "cut", epochs))
    return {
        "restarts": restarts,
        "same_bits": same_bits(folder / "cut", folder / "straight"),
        "kib_per_restart": slope(rows),
        "usage": dict(zip(("restart", *COLUMNS[1:]), map(list, zip(*rows, strict=True)), strict=True)),
    }


def until(end, splits, folder, epochs, seed):
    torch.set_num_threads(1)
    logging.getLogger("rga").setLevel("ERROR")
    for steps, _ in enumerate(new_steps(resumed(splits, folder, epochs, seed)), 1):
        if end and steps == 3:
            os.kill(os.getpid(), end)


def killed(splits, folder, restarts):
    """The same in a new process each time; SIGTERM lets it finish a step and save in the middle of an epoch."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rga", "rga.drawn_people.release"])
    epochs, ends, started = 2 * restarts + 1, [], time.perf_counter()

    def run(where, end=None, seed=0):
        process = context.Process(target=until, args=(end, splits, folder / where, epochs, seed))
        process.start()
        process.join()
        return process.exitcode

    run("straight")
    for number in range(restarts):
        ends.append(run("cut", (signal.SIGKILL, signal.SIGTERM)[number % 2], seed=number))
    run("cut")
    return {
        "restarts": restarts,
        "ended_by": {name: ends.count(-getattr(signal, name)) for name in ("SIGKILL", "SIGTERM")},
        "same_bits": same_bits(folder / "cut", folder / "straight"),
        "checkpoints": len(list((folder / "cut").glob("*.pt"))),
        "seconds": time.perf_counter() - started,
    }


def measure(part, splits, folder, args):
    if part in ("closed", "killed"):
        return {"closed": closed, "killed": killed}[part](splits, folder, args.restarts)
    if part == "workers":
        return long_run(splits, folder, args.epochs // 5, max(args.epochs // 100, SAVE_EVERY + 1), workers=2)
    return long_run(
        splits, folder, args.epochs, max(args.epochs // 40, SAVE_EVERY + 1), part == "tensorboard"
    )


def line(part, result):
    """One row of the table that is printed."""
    figures = [f"{name} {value:.2f}" for name, value in result.items() if name.startswith("kib_per_")]
    figures += [f"{name} {result[name]}" for name in ("same_bits", "ended_by") if name in result]
    for name, column in result.get("usage", {}).items():
        figures.append(f"{name} {column[0]} … {column[-1]}")
    return f"{part}: {', '.join(figures)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("PART", "FOLDER"), help="measure one part in this process")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "long_run.json")
    args = parser.parse_args()
    logging.getLogger("rga").setLevel("ERROR")  # that twelve people are few
    torch.set_num_threads(1)
    if args.one:
        part, folder = args.one[0], Path(args.one[1])
        splits = rga.data.load("cuhk03", folder.parent / "people")
        print(json.dumps(measure(part, splits, folder, args)))
        return
    values = {
        "settings": {
            "size": list(SIZE),
            **OPTIONS,
            "save_every": SAVE_EVERY,
            "evaluate_every": EVALUATE_EVERY,
        },
        "log_bytes_per_step": log_bytes(),
        "results": {},
    }
    values["provenance"] = provenance("cpu")
    with tempfile.TemporaryDirectory() as scratch:
        draw(Path(scratch, "people"))
        for part in args.parts:
            folder = Path(scratch, part)
            folder.mkdir()
            counts = "--epochs", args.epochs, "--restarts", args.restarts
            values["results"][part] = run_script(__file__, "--one", part, folder, *counts)
            write_json(args.out, values)
            print(line(part, values["results"][part]), flush=True)


if __name__ == "__main__":
    main()
