"""The cued task: which attentions learn, from labels alone, which of three digits a mark means?

    python bench/cued_digits.py [--out FILE] [--device cpu] [--steps N] [--seeds 0 1 2 3 4] [--names rga_s …]
    python bench/cued_digits.py --table

Every attention stands in the same place of the same network, with the same steps and the same pictures. First each
gets its own learning rate out of RATES, then the multiple of it, out of MULTIPLES, for the layer that starts as
zeros: the best accuracy on the *validation* handwritings, seeds VALIDATION_SEEDS. Then one run for each of `--seeds`
with that, scored on the test handwritings. Runs are written as they come and never repeated: interrupt and resume as
you like. `--steps` changes the test runs alone.
"oracle" is the network without attention where nothing but the digit that is meant stands there.

One thread. cpu_s: CPU seconds of training (time.process_time), on a machine that did other work, too.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from rga.course.cued_task import CHANCE, Settings, score, train
from rga.data.cued_digits import CUES
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.metrics import t_interval

OUT = Path(__file__).parent.parent / "results" / "cued_digits.json"
NAMES = ("none", "rga_s", "se", "cbam", "non_local", "fc_s", "rga_c", "rga_sc", "oracle")
RATES = (3e-3, 6e-3)  # at 1e-3 400 steps are too few: "none" and "rga_s" were tried
MULTIPLES = (20, 5, 1)  # the first is that of the search for the rate
VALIDATION_SEEDS = (100,)


def run(cue, name, seed, settings, split, args, report):
    """The record of a run: out of the file, or made and written now."""
    key = {"cue": cue, "attention": name, "seed": seed, "split": split, "settings": asdict(settings)}
    for record in report["runs"]:
        if all(record[word] == value for word, value in key.items()):
            return record
    started, alone = time.process_time(), name == "oracle"
    network = train(cue, "none" if alone else name, seed, settings, alone=alone, device=args.device)
    seconds = round(time.process_time() - started, 1)
    found = {
        word: None if np.isnan(value) else round(value, 5)
        for word, value in asdict(score(network, cue, split, alone=alone)).items()
    }
    record = key | {"score": found, "cpu_s": seconds, "provenance": provenance(args.device)}
    report["runs"].append(record)
    write_json(args.out, report)
    print(cue, name, seed, split, settings.lr, settings.gate_multiple, found, f"{seconds:.0f} s", flush=True)
    return record


def choose(cue, name, args, report):
    """The settings with the highest mean accuracy on validation handwritings: first the rate, then the multiple."""

    def best(candidates):
        def accuracy(settings):
            runs = (run(cue, name, seed, settings, "validation", args, report) for seed in VALIDATION_SEEDS)
            return np.mean([record["score"]["accuracy"] for record in runs])

        return max(candidates, key=accuracy)

    chosen = best([Settings(lr=lr, gate_multiple=MULTIPLES[0]) for lr in RATES])
    if name in ("none", "oracle"):  # nothing starts as zeros
        return chosen
    return best([replace(chosen, gate_multiple=by) for by in MULTIPLES])


def interval(values):
    """Mean and half width of the 95 % t-interval."""
    found = t_interval(values)
    return found.value, found.high - found.value


def table(report):
    """Rows of Markdown: accuracy in %, the difference to "none" paired by seed, and the gate on the meant digit."""
    tests = [run for run in report["runs"] if run["split"] == "test"]
    for cue, steps in sorted({(run["cue"], run["settings"]["steps"]) for run in tests}):
        runs = [run for run in tests if (run["cue"], run["settings"]["steps"]) == (cue, steps)]
        plain = {run["seed"]: run["score"]["accuracy"] for run in runs if run["attention"] == "none"}
        for name in NAMES:
            mine = [run for run in runs if run["attention"] == name]
            if len(mine) < 2:
                continue
            cells = ["{:.1f} ± {:.1f}".format(*interval([100 * run["score"]["accuracy"] for run in mine]))]
            paired = [100 * (r["score"]["accuracy"] - plain[r["seed"]]) for r in mine if r["seed"] in plain]
            cells.append("" if name == "none" else "{:+.1f} ± {:.1f}".format(*interval(paired)))
            for word in ("share", "auc"):
                values = [run["score"][word] for run in mine]
                cells.append("" if None in values else "{:.2f} ± {:.2f}".format(*interval(values)))
            settings = mine[0]["settings"]
            cells.append(f"{settings['lr']:g} × {settings['gate_multiple']:g}")
            print(f"| {cue}, {steps} steps | {name} | " + " | ".join(cells) + f" | {len(mine)} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--names", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--cues", nargs="+", default=CUES, choices=CUES)
    parser.add_argument("--table", action="store_true", help="print what the file holds, and run nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    fresh = {"what": __doc__.splitlines()[0], "chance": CHANCE, "runs": []}
    report = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else fresh
    if args.table:
        return table(report)
    for cue in args.cues:
        chosen = {name: choose(cue, name, args, report) for name in args.names}
        for seed in args.seeds:
            for name in args.names:
                run(cue, name, seed, replace(chosen[name], steps=args.steps), "test", args, report)


if __name__ == "__main__":
    main()
