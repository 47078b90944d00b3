"""How long the quick recipe needs to a given mAP on CUHK03 camera pair 1, this code beside an earlier one's.

    git worktree add ../earlier 5b8dafd
    python bench/time_to_map.py --earlier ../earlier --cuhk03 FOLDER --weights FILE [--seeds 0 1 2]
                                [--epochs 8] [--targets 0.05 0.1] [--out results/time_to_map.json]

Each version trains with its own quick recipe and its own choice of precision, MobileNetV2 from ImageNet weights
(FILE), with RGA-SC, on the labeled crops in FOLDER, in a process of its own, in turn, seed by seed; on a CUDA device
where there is one. Seconds are of training alone and of filling the cache of images before it, which takes about 4 s.
A network is evaluated after every epoch from the third, in float32, and a target is reached at the end of the first
epoch that reaches it. A run ends when it has reached the highest target.
"""

import argparse
import importlib.util
import inspect
import json
import statistics
import subprocess
import time
from pathlib import Path

from own_process import ROOT, run_script

FIRST = 3  # the first epoch that is evaluated


def measure(args):
    """Seconds and mAP after every evaluated epoch, with the package that PYTHONPATH names."""
    import torch

    import rga

    quick = importlib.import_module("rga.recipes").quick  # the name in both versions, see rga/old_names.py
    if importlib.util.find_spec("rga.allocation"):  # as rga.runs.train does; an earlier version has none
        importlib.import_module("rga.allocation").keep_memory()
    recipe = quick(backbone="mobilenet_v2", weights=args.weights, epochs=args.epochs, seed=args.seeds[0])
    splits = rga.data.load("cuhk03", args.cuhk03, allow_missing=True)
    torch.manual_seed(recipe.seed)
    model = rga.models.create_model(
        recipe.backbone,
        recipe.attention,
        num_pids=splits.num_pids,
        size=recipe.size,
        weights=recipe.weights,
        init_gates=recipe.init_gates,
    ).to("cuda" if torch.cuda.is_available() else "cpu")  # for which the recipe has chosen its precision
    known = inspect.signature(rga.fit).parameters
    names = ("epochs", "p", "k", "lr", "seed", "cache", "amp", "precision")
    options = {name: getattr(recipe, name) for name in names if name in known}
    seconds, points, before = 0.0, [], time.perf_counter()
    for log in rga.fit(model, splits.train, schedule=recipe.make_schedule, **options):
        if log.step * log.epochs == log.epoch * log.steps:
            seconds += time.perf_counter() - before
            if log.epoch >= FIRST:
                mAP = rga.evaluate(model, splits).embedding.mAP
                points.append({"epoch": log.epoch, "seconds": round(seconds, 1), "mAP": round(mAP, 5)})
                if mAP >= max(args.targets):
                    break
            before = time.perf_counter()
    precision = options.get("precision", "bf16" if options.get("amp") else "fp32")
    return {"precision": precision, "points": points}


def run(package, seed, args):
    options = ["--one", "--cuhk03", args.cuhk03, "--weights", args.weights]
    options += ["--seeds", seed, "--epochs", args.epochs, "--targets", *args.targets]
    return run_script(__file__, *options, package=package)


def seconds_to(target, points):
    """Seconds at the end of the first evaluated epoch with at least this mAP; None if there is none."""
    return next((point["seconds"] for point in points if point["mAP"] >= target), None)


def commit(package):
    done = subprocess.run(["git", "-C", package, "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or None


def compare(args):
    packages = {"earlier": args.earlier, "now": ROOT}
    runs = [
        {"version": version, "commit": commit(package), "seed": seed} | run(package, seed, args)
        for seed in args.seeds
        for version, package in packages.items()
    ]
    summary = {}
    for target in args.targets:
        reached = {
            version: [seconds_to(target, r["points"]) for r in runs if r["version"] == version]
            for version in packages
        }
        times = [a / b for a, b in zip(reached["earlier"], reached["now"], strict=True) if a and b]
        summary[f"mAP {target:g}"] = reached | {"times_faster": statistics.median(times) if times else None}
    return runs, summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", action="store_true", help="one run in this process, of the first seed")
    parser.add_argument("--earlier", type=Path, help="a checkout of an earlier commit")
    parser.add_argument("--cuhk03", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--targets", type=float, nargs="+", default=[0.05, 0.1])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "time_to_map.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return
    if args.earlier is None:
        parser.error("--earlier names a checkout of an earlier commit: git worktree add ../earlier COMMIT")
    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    runs, summary = compare(args)
    settings = {
        "epochs": args.epochs,
        "backbone": "mobilenet_v2",
        "weights": "ImageNet",
        "data": "CUHK03 pair 1",
    }
    write_json(args.out, {"settings": settings, "summary": summary, "runs": runs, "provenance": provenance()})
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
