"""The recipes `fast` and `full` on CUHK03 camera pair 1, from random weights, on one GPU, as far as the time goes.

    python bench/recipes.py --cuhk03 FOLDER [--seconds 400] [--jobs 3] [--every 20] [--graphs] [--runs fast-none-0 …]
                            [--scratch runs/recipes] [--out results/recipes.json]

A run is RECIPE-ATTENTION-SEED, `python -m rga train` with bf16; --jobs of them run concurrently, in the order given,
and share the GPU: what is compared is epochs, not seconds. The test set is evaluated every --every epochs. `full` gets
SIGTERM when all others have ended or the time is over: of its 600 epochs these are the first, at its own learning
rates. Whatever still runs by then gets SIGTERM, too, and is in the file with the epochs that it has done. With --graphs
all of them have CUDA graphs, without it none has.
"""

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = (
    "fast-rga_sc-0",
    "fast-none-0",
    "full-rga_sc-0",
    "fast-rga_sc-1",
    "fast-none-1",
    "fast-rga_s-0",
    "fast-rga_c-0",
)
GRACE = 15  # seconds from SIGTERM to SIGKILL


def begin(name, args):
    recipe, attention, seed = name.split("-")
    out = args.scratch / name
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "rga", "train", recipe, "--attention", attention]
    command += ["--seed", seed, "--weights", "random", "--precision", "bf16", "--dataset", "cuhk03"]
    command += ["--root", args.cuhk03, "--allow-missing", "--cache", args.scratch / "cache", "--workers", "2"]
    command += ["--graphs" if args.graphs else "--no-graphs"]  # the recipes have different defaults
    command += ["--evaluate-every", str(args.every), "--save-every", "60", "--out", out]
    log = (out / "output.txt").open("w")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "4"}
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)


def collect(name, args):
    """What a run has written: scores by epoch, throughput, and its report if it finished."""
    out = args.scratch / name
    found = {"run": name, "scores": {}, "metrics": None}
    if (out / "scores.json").exists():
        found["scores"] = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    if (out / "metrics.json").exists():
        found["metrics"] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        found["metrics"]["settings"] |= {"root": None, "cache": True, "out": None}  # no paths
    if (out / "log.csv").exists():
        with (out / "log.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if rows:
            found |= {"epochs": int(rows[-1]["epoch"]), "last_loss": float(rows[-1]["loss"])}
            for column in ("images_per_second", "waiting"):
                found[column] = statistics.median(float(row[column]) for row in rows[len(rows) // 4 :])
    return found


def run_all(args):
    """Run them, args.jobs at a time; what each has written, in the order in which they ended."""
    end, waiting, running, runs = time.monotonic() + args.seconds, list(args.runs), {}, []

    def ended(name):
        seconds = time.monotonic() - running.pop(name)[1]
        runs.append(collect(name, args) | {"seconds_shared": seconds})
        write(args, runs)
        print(f"{name}: {seconds:.0f} s", flush=True)

    while waiting or running:
        while waiting and len(running) < args.jobs:
            name = waiting.pop(0)
            running[name] = begin(name, args), time.monotonic()
        time.sleep(1)
        for name in [name for name, (process, _) in running.items() if process.poll() is not None]:
            ended(name)
        if time.monotonic() > end or not waiting and all(name.startswith("full") for name in running):
            break
    for process, _ in running.values():
        process.send_signal(signal.SIGTERM)
    for name, (process, _) in list(running.items()):
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
        ended(name)
    return runs


def write(args, runs):
    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    settings = {
        "data": "CUHK03 pair 1 (labeled)",
        "weights": "random",
        "precision": "bf16",
        "jobs": args.jobs,
        "graphs": args.graphs,
    }
    write_json(args.out, {"settings": settings, "runs": runs, "provenance": provenance()})


def table(runs):
    epochs = sorted({int(epoch) for run in runs for epoch in run["scores"]})
    lines = [f"| rank-1 / mAP, % | {' | '.join(map(str, epochs))} |", "|---" * (len(epochs) + 1) + "|"]
    for run in runs:
        scores = [run["scores"].get(str(epoch)) for epoch in epochs]
        cells = [f"{100 * s['rank1']:.1f} / {100 * s['mAP']:.1f}" if s else "" for s in scores]
        lines.append(f"| {run['run']} | {' | '.join(cells)} |")
    lines += [f"{run['run']}: {run.get('images_per_second', 0):.0f} images/s, shared" for run in runs]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuhk03", required=True)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--graphs", action="store_true")
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--runs", nargs="+", default=RUNS, metavar="RECIPE-ATTENTION-SEED")
    parser.add_argument("--scratch", type=Path, default=ROOT / "runs" / "recipes")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "recipes.json")
    args = parser.parse_args()
    print(table(run_all(args)))


if __name__ == "__main__":
    main()
