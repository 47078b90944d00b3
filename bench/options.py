"""What each option of `rga.fit` costs or saves: ResNet-50 with RGA-SC at 256x128, batches of 16 drawn people.

    python bench/options.py [--rounds 2] [--steps 4] [--options compile …] [--out bench/options.json]

Every option runs in processes of its own, each right after a run without any, round by round: ratios are to that
baseline, so that a machine whose speed drifts slows both. A step is all that `rga.fit` does between two logs, loading
the images included; the first two are a warm-up. Peak memory is the process's (resident set size), on a CUDA device the
allocator's.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from own_process import ROOT, run_script
from train_step import can_compile, peak_mib

P, K, WARMUP = 4, 4, 2
GPU = ("fp16", "tf32")  # a CPU has no tf32, and emulates fp16 in minutes a step
OPTIONS = {
    "none": {},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "tf32": {"precision": "tf32"},
    "compile": {"compile": True},
    "channels_last=False": {"channels_last": False},
    "fused=False": {"fused": False},
    "accumulate=2": {"accumulate": 2},
    "cache=False": {"cache": False},
    "cache=False, workers=2": {"cache": False, "workers": 2},
}


def measure(name, steps):
    """Median seconds of a step, and peak memory in MiB."""
    import rga

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    splits = rga.data.load("synthetic")
    torch.manual_seed(0)
    model = rga.models.create_model("resnet50", "rga_sc", num_pids=splits.num_pids, size=(256, 128)).to(
        device
    )
    settings = {"epochs": 1, "p": P, "k": K, "cache": True} | OPTIONS[name]
    seconds, before = [], time.perf_counter()
    for log in rga.fit(model, splits.train, **settings):
        seconds.append(time.perf_counter() - before)
        if log.step == WARMUP + steps:
            break
        before = time.perf_counter()
    return {
        "seconds": statistics.median(seconds[WARMUP:]),
        "first": seconds[0],
        "peak_mib": peak_mib(device),
    }


def run(name, args):
    return run_script(__file__, "--one", name, "--steps", args.steps)


def compare(args):
    pairs = {name: [] for name in args.options}
    for _ in range(args.rounds):
        for name in args.options:
            pairs[name].append((run("none", args), run(name, args)))
    return {
        name: {
            "seconds_per_step": statistics.median(run["seconds"] for _, run in both),
            "first_step_seconds": statistics.median(run["first"] for _, run in both),
            "time_over_none": statistics.median(run["seconds"] / base["seconds"] for base, run in both),
            "peak_mib": statistics.median(run["peak_mib"] for _, run in both),
            "memory_over_none": statistics.median(run["peak_mib"] / base["peak_mib"] for base, run in both),
        }
        for name, both in pairs.items()
    }


def table(results):
    lines = ["| option | s/step | time / none | peak MiB | memory / none | first step, s |", "|---" * 6 + "|"]
    for name, r in results.items():
        lines.append(
            f"| {name} | {r['seconds_per_step']:.3f} | {r['time_over_none']:.2f} | {r['peak_mib']:.0f} | "
            f"{r['memory_over_none']:.2f} | {r['first_step_seconds']:.1f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", choices=OPTIONS, help="measure one option in this process")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--options", nargs="+", choices=OPTIONS)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "options.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.steps)))
        return
    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    if not args.options:
        args.options = [name for name in OPTIONS if name not in GPU or torch.cuda.is_available()]
    if "compile" in args.options and not can_compile():
        args.options.remove("compile")
    start = time.perf_counter()
    results = compare(args)
    settings = {"network": "resnet50, rga_sc", "size": [256, 128], "batch": P * K, "rounds": args.rounds}
    settings |= {"steps": args.steps, "seconds": time.perf_counter() - start}
    write_json(args.out, {"settings": settings, "results": results, "provenance": provenance()})
    print(table(results))


if __name__ == "__main__":
    main()
