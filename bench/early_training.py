"""Early training: what gates that start as released cost a short run, and what gates that start as the identity do.

    python bench/early_training.py --cuhk03 FOLDER --weights FILE [--drawn FOLDER] [--seeds 0 1 2] [--groups …]
    python bench/early_training.py --table

A cell is a data set, a backbone, an attention, a start of the gates, a schedule and a number of epochs; a run is a
cell with a seed. Every run has a process of its own with one torch thread, and appends itself to the file when it is
complete: interrupt and resume as you like, runs in the file are not repeated. The order is by groups, and in a group
by seeds, so that a comparison is complete before the next begins.

Seconds are CPU seconds of the process (time.process_time, one thread) in training, evaluation not counted: runs share
the machine and are paused at times, so wall-clock time would say nothing. FOLDER holds crops of CUHK03 (camera pair 1
is enough) and its protocol files, see data/README.md; FILE holds ImageNet weights of MobileNetV2's features.
"""

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
OUT = ROOT / "results" / "early_training.json"
TAG = "studyrun"  # in the command line of every run, so that they can be told from other processes
STARTS = ("identity", "released")
SEEDS = (0, 1, 2)
TARGETS = {"drawn": (0.3, 0.5, 0.6, 0.7, 0.75), "cuhk03": (0.1, 0.2, 0.3)}  # mAP whose time is shown
WHAT = (
    "Early training: no attention and RGA with gates that start as the identity or as released; three seeds, drawn "
    "people and CUHK03 camera pair 1 (labeled). train_cpu_s: CPU seconds of training alone, one thread; runs shared a "
    "machine of two cores with other work and were stopped at times."
)


def cell(group, dataset, backbone, attention, gates, epochs, schedule="short", at=None, **changes):
    """Settings of a run but for its seed; at: the epochs after which it is evaluated, besides the last."""
    settings = {
        "group": group,
        "dataset": dataset,
        "backbone": backbone,
        "attention": attention,
        "init_gates": gates if attention != "none" else None,
        "epochs": epochs,
        "schedule": schedule,
        "size": [128, 64],
        "p": 16,
        "k": 4,
        "lr": 8e-4,
        "precision": "bf16" if backbone == "resnet18" else "fp32",  # the faster one on a CPU that has bf16
        "at": sorted({*(at or ()), epochs}),
    }
    return settings | changes


def both_starts(*names):
    """(attention, start) of the networks to compare: without attention, and each of names with both starts."""
    return [("none", None), *((name, start) for name in names for start in STARTS)]


def plan():
    """All cells, most telling first."""
    every, sc = both_starts("rga_sc", "rga_s", "rga_c"), both_starts("rga_sc")
    drawn, cuhk03 = ("drawn", "resnet18"), ("cuhk03", "mobilenet_v2")
    cells = [cell("drawn short", *drawn, *pair, 10, at=[4, 7]) for pair in sc]
    cells += [cell("cuhk03 short", *cuhk03, *pair, 8, at=[4]) for pair in sc]
    cells += [cell("drawn long", *drawn, *pair, 40, at=[10, 15, 20, 25, 30]) for pair in sc]
    quick = "drawn", "resnet18", "rga_sc", "identity"
    for changes in ({}, {"lr": 1.6e-3}, {"p": 8}):
        cells.append(cell("recipe", *quick, 20, at=[5, 10, 15], **changes))
    cells.append(cell("recipe", *quick, 30, at=[10, 15, 20, 25], size=[96, 48]))
    cells.append(cell("recipe cuhk03", *cuhk03, "rga_sc", "identity", 8, at=[4], lr=1.6e-3))
    cells += [cell("drawn paper", *drawn, "rga_sc", "released", 40, "paper", at=[10, 20, 30])]
    cells += [cell("drawn short s c", *drawn, *pair, 10, at=[4, 7]) for pair in every[3:]]
    cells += [cell("cuhk03 short s c", *cuhk03, *pair, 8, at=[4]) for pair in every[3:]]
    cells += [cell("drawn mobilenet", "drawn", "mobilenet_v2", *pair, 10, at=[4, 7]) for pair in sc]
    cells += [cell("cuhk03 resnet short", "cuhk03", "resnet18", *pair, 12, at=[6]) for pair in sc]
    cells += [cell("cuhk03 long", *cuhk03, *pair, 24, at=[8, 16]) for pair in sc]
    cells += [cell("cuhk03 paper", *cuhk03, "rga_sc", "released", 24, "paper", at=[8, 16])]
    cells += [cell("drawn long s c", *drawn, *pair, 40, at=[10, 20, 30]) for pair in every[3:]]
    cells += [cell("cuhk03 resnet long", "cuhk03", "resnet18", *pair, 30, at=[10, 20]) for pair in sc]
    return cells


def load(dataset, args):
    import rga

    if dataset == "drawn":
        return rga.data.load("synthetic", args.drawn)
    return rga.data.load("cuhk03", args.cuhk03, allow_missing=True)


def train(model, splits, settings, cache):
    """The steps of a run: the one place that calls `rga.fit`."""
    import rga
    from rga.training import lr_schedule as schedule

    def make_schedule(optimizer):
        if settings["schedule"] == "paper":
            return schedule.paper_schedule(optimizer)
        return schedule.short_schedule(optimizer, settings["epochs"])

    return rga.fit(
        model,
        splits.train,
        epochs=settings["epochs"],
        p=settings["p"],
        k=settings["k"],
        lr=settings["lr"],
        schedule=make_schedule,
        seed=settings["seed"],
        precision=settings["precision"],
        cache=cache,
    )


def scores(model, splits, settings):
    import rga

    result = rga.evaluate(model, splits, precision=settings["precision"])
    return {
        name: {"rank1": round(ranking.rank(1), 5), "mAP": round(ranking.mAP, 5)}
        for name, ranking in (("after_neck", result.embedding), ("before_neck", result.feature))
    }


def run(settings, args):
    """Train and evaluate one run; what the file holds of it."""
    import torch

    torch.set_num_threads(1)
    from rga.io.provenance import provenance
    from rga.models import create_model

    splits = load(settings["dataset"], args)
    torch.manual_seed(settings["seed"])
    model = create_model(
        settings["backbone"],
        settings["attention"],
        num_pids=splits.num_pids,
        size=settings["size"],
        weights=args.weights if settings["backbone"] == "mobilenet_v2" else None,
        init_gates=settings["init_gates"] or "released",
    )
    points, seconds, started = [], 0.0, time.process_time()
    for log in train(model, splits, settings, args.cache):
        if log.ends_epoch and log.epoch in settings["at"]:
            seconds += time.process_time() - started
            point = {"epoch": log.epoch, "train_cpu_s": round(seconds, 2), "loss": round(log.loss, 4)}
            points.append(point | scores(model, splits, settings))
            print(
                settings["group"], settings["attention"], settings["init_gates"], points[-1], file=sys.stderr
            )
            started = time.process_time()
    data = {"summary": str(splits).splitlines()[:5], "missing": len(splits.missing)}
    record = {"settings": settings, "data": data, "weights": model.config["weights"], "points": points}
    return record | {"provenance": provenance("cpu")}


def read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"what": WHAT, "runs": []}


def lacking(report):
    """Groups and cells of the plan with the seeds that the file has not, of three."""
    there = [run["settings"] for run in report["runs"]]
    missing = {
        f"{settings['group']}: {name_of(settings)}": [s for s in SEEDS if settings | {"seed": s} not in there]
        for settings in plan()
    }
    return {name: seeds for name, seeds in missing.items() if seeds}


def add(record, path):
    """Append a run to the file, atomically; other runs that finish now wait for the lock."""
    from rga.io.json_files import write_json

    with open(__file__) as lock:  # any file that exists; it is not changed
        fcntl.flock(lock, fcntl.LOCK_EX)
        report = read(path)
        if record["settings"] not in [run["settings"] for run in report["runs"]]:
            report["runs"].append(record)
            report["planned_but_not_run"] = lacking(report)
            write_json(path, report)


def start(settings, args):
    """A run in a process of its own, unless the file has it."""
    if settings in [run["settings"] for run in read(args.out)["runs"]]:
        return
    names = ("cuhk03", "weights", "drawn", "cache", "out")
    given = [
        word for name in names if getattr(args, name) for word in (f"--{name}", str(getattr(args, name)))
    ]
    command = [sys.executable, __file__, "--one", json.dumps(settings), "--tag", TAG, *given]
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env={**os.environ, **threads})
    if done.returncode:
        print("failed:", settings, file=sys.stderr)


def interval(values):
    """Mean and half of the 95 % t-interval over seeds; nan for one seed."""
    from scipy.stats import t

    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return values.mean(), np.nan
    return values.mean(), t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5


def shown(values):
    mean, half = interval(values)
    return f"{mean:.1f}" + (f" ± {half:.1f}" if np.isfinite(half) else "")


def unusual(settings):
    """The settings that are not the cells' usual ones, in words."""
    usual = cell("", settings["dataset"], settings["backbone"], "none", None, 0)
    compared = ("size", "p", "k", "lr", "precision")
    return ", ".join(f"{name} {settings[name]}" for name in compared if settings[name] != usual[name])


def name_of(settings):
    words = settings["backbone"], settings["attention"], settings["init_gates"], settings["schedule"]
    return ", ".join(
        filter(None, (" ".join(filter(None, words)) + f" {settings['epochs']}", unusual(settings)))
    )


def table(report):
    """Markdown: last scores of every cell over its seeds, and paired differences to the same cell without attention."""
    cells = {}
    for one in report["runs"]:
        settings = {k: v for k, v in one["settings"].items() if k not in ("seed", "at", "group")}
        cells.setdefault(json.dumps(settings), {})[one["settings"]["seed"]] = one
    head = "data set | network, schedule, epochs | seeds | rank-1 | mAP | rank-1 − none | mAP − none | CPU s"
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for key, runs in cells.items():
        settings = json.loads(key)
        last = {seed: one["points"][-1] for seed, one in runs.items()}
        plain = cells.get(json.dumps(settings | {"attention": "none", "init_gates": None}), {})
        columns = [settings["dataset"], name_of(settings), str(len(last))]
        columns += [
            shown([100 * p["after_neck"][score] for p in last.values()]) for score in ("rank1", "mAP")
        ]
        for score in ("rank1", "mAP"):
            gains = [
                100 * (point["after_neck"][score] - plain[seed]["points"][-1]["after_neck"][score])
                for seed, point in last.items()
                if seed in plain and settings["attention"] != "none"
            ]
            columns.append(shown(gains) if gains else "")
        columns.append(f"{np.mean([p['train_cpu_s'] for p in last.values()]):.0f}")
        lines.append("| " + " | ".join(columns) + " |")
    return "\n".join(lines)


def reached(one, target):
    """(epochs, CPU seconds) until mAP after the neck is target, on the straight line between evaluations; None: never.

    Untrained networks stand at (0, 0) with mAP 0, which makes early targets look a little nearer than they are.
    """
    before = (0.0, 0.0, 0.0)
    for point in one["points"]:
        now = (point["epoch"], point["train_cpu_s"], point["after_neck"]["mAP"])
        if now[2] >= target:
            share = (target - before[2]) / (now[2] - before[2])
            return tuple(a + share * (b - a) for a, b in zip(before[:2], now[:2], strict=True))
        before = now
    return None


def targets(report, dataset, wanted):
    """Markdown: epochs and CPU seconds to each mAP in wanted, mean over the seeds that reach it, and how many do."""
    cells = {}
    for one in report["runs"]:
        if one["settings"]["dataset"] == dataset:
            cells.setdefault(name_of(one["settings"]), []).append(one)
    lines = [f"| {dataset} | " + " | ".join(f"mAP {100 * w:.0f}" for w in wanted) + " |"]
    lines += ["|" + "---|" * (len(wanted) + 1)]
    for name, runs in cells.items():
        columns = []
        for target in wanted:
            found = [pair for pair in (reached(one, target) for one in runs) if pair]
            text = f"{len(found)} of {len(runs)}"
            if found:
                epochs, seconds = np.mean(found, axis=0)
                text = f"{epochs:.1f} epochs, {seconds:.0f} s ({text})"
            columns.append(text)
        lines.append(f"| {name} | " + " | ".join(columns) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuhk03", type=Path)
    parser.add_argument(
        "--drawn", type=Path, help="folder of the drawn people; without it, the quick profile's"
    )
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--cache", type=Path, help="folder for resized images, which all runs share")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--groups", nargs="+", help="of these groups only, in this order")
    parser.add_argument("--at-once", type=int, default=2, help="runs side by side")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="print what the file holds, and train nothing")
    parser.add_argument("--one", type=json.loads, help="one run in this process, for the script itself")
    parser.add_argument("--tag", help="anything; for the script itself")
    args = parser.parse_args()
    if args.one:
        add(run(args.one, args), args.out)
        return
    if not args.table:
        groups = args.groups or list(dict.fromkeys(settings["group"] for settings in plan()))
        runs = [
            settings | {"seed": seed}
            for group in groups
            for seed in args.seeds
            for settings in plan()
            if settings["group"] == group
        ]
        args.cache = args.cache or ROOT / "data" / "cache"
        with ThreadPoolExecutor(args.at_once) as pool:
            list(pool.map(lambda settings: start(settings, args), runs))
    report = read(args.out)
    print(table(report))
    for dataset, wanted in TARGETS.items():
        print("", targets(report, dataset, wanted), sep="\n")


if __name__ == "__main__":
    main()
