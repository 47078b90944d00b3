"""The ablation behind notebook 05: every attention on every set, three seeds or more, as a plain list of runs.

    python bench/ablation.py [--sets default uniform crowd] [--rows main table1 table2 table4 stages reduction long]
                             [--seeds 3] [--processes 2] [--threads 1] [--seconds 3600] [--cuhk03 FOLDER] [--graphs]
                             [--draw] [--choose] [--out results/ablation.json]

A run is named SET-ATTENTION-SEED and is the recipe `quick` with that attention and seed; finished runs are in the
file and are not repeated. --choose trains the candidates for each attention's `gate_lr` on people of another drawing
(seed 1; test people of seed 0 take no part) and writes results/ablation_choice.json, which the other runs read. --draw
only draws the people of the sets and caches their images. Of CUHK03 only camera pair 1 is needed: 30 epochs, from
random weights.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from rga.data import train_loader
from rga.runs.ablation import read_results, run_ablation
from rga.runs.recipe import Recipe
from rga.runs.recipes import quick

ROOT = Path(__file__).parent.parent
SETS = {
    "default": "",
    "occluded": "occlusion=1",
    "uniform": "same_clothes=1",
    "crowd": "crowd=1",
}
MAIN = ("none", "oracle", "rga_s", "rga_c", "rga_sc", "se", "cbam", "non_local")
ROWS = {
    "main": MAIN,
    "table1": ("rga_s_no_relation", "rga_s_no_feature", "rga_c_no_relation", "rga_c_no_feature"),
    "table2": ("cbam_s", "cbam_c", "fc_s", "fc_c", "fc_parallel", "snl", "rga_cs", "rga_parallel"),
    "table4": ("rga_sc_symmetric", "rga_sc_no_embedding"),
    "stages": tuple(f"rga_sc@stages={stages}" for stages in (1, 2, 3, 4, 23)),
    "reduction": ("rga_sc@reduction=4", "rga_sc@reduction=16"),
    "gate_lr": ("rga_s@gate_lr=1", "rga_sc@gate_lr=1", "rga_sc@init_gates=released"),
    "long": tuple(f"{name}@epochs=60" for name in MAIN),
}
CANDIDATES = (1.0, 5.0, 20.0)  # of gate_lr
CHOOSE = MAIN[2:]


def recipe(people: str, variant: str, seed: int, gate_lr: dict[str, float], args) -> Recipe:
    """The recipe of a run. variant: an attention, or "oracle", and fields that differ, as in rga_sc@stages=23."""
    attention, _, changes = variant.partition("@")
    options = {
        name: int(text) if text.isdigit() else text for name, text in (c.split("=") for c in changes.split())
    }
    if people == "cuhk03":
        data = {"dataset": "cuhk03", "root": args.cuhk03, "allow_missing": True, "epochs": 30}
    else:
        drawn = SETS[people.removesuffix("-choice")] + (" seed=1" if people.endswith("-choice") else "")
        drawn += " only=person" if attention == "oracle" else ""
        data = {"drawn": drawn.strip() or None}
    attention = "none" if attention == "oracle" else attention
    common = {
        "attention": attention,
        "seed": seed,
        "gate_lr": family(attention, gate_lr),
        "precision": "bf16",
    }
    common |= {"cache": args.scratch / "cache", "out": args.scratch / "run", "graphs": args.graphs}
    return quick(**common | data | options)


def family(attention: str, gate_lr: dict[str, float]) -> float:
    """The rate that was chosen for an attention, or for the one that it is a variant of."""
    kin = {"snl": "non_local", "fc": "se", "rga_cs": "rga_sc", "rga_parallel": "rga_sc"}
    for name in sorted((*gate_lr, *kin), key=len, reverse=True):
        if attention.startswith(name):
            return gate_lr.get(kin.get(name, name), 1.0)
    return 1.0


def chosen(file: Path) -> dict[str, float]:
    """{attention: the gate_lr with the highest mean mAP on the people it is chosen on}; {} before there is a file."""
    scores: dict[str, dict[float, list[float]]] = {}
    for name, result in read_results(file).items():
        attention, rate = name.split("-")[2].split("@gate_lr=")
        scores.setdefault(attention, {}).setdefault(float(rate), []).append(result.get("mAP", 0.0))
    return {a: max(rates, key=lambda rate: statistics.mean(rates[rate])) for a, rates in scores.items()}


def choices(args) -> dict[str, Recipe]:
    names = [(a, rate, seed) for seed in range(2) for a in CHOOSE for rate in CANDIDATES]
    return {
        f"crowd-choice-{a}@gate_lr={rate:g}-{seed}": recipe(
            "crowd-choice", f"{a}@gate_lr={rate:g}", seed, {}, args
        )
        for a, rate, seed in names
    }


def plan(args) -> dict[str, Recipe]:
    """{name: recipe} of all runs asked for, seed by seed, so that what there is after any time can be compared."""
    rates, names = chosen(args.choice), {}
    for rows in args.rows:
        for seed in range(args.seeds):
            for people in args.sets:
                for variant in ROWS[rows]:
                    if people == "cuhk03" and "oracle" in variant:
                        continue  # nobody knows where those people are
                    names[f"{people}-{variant}-{seed}"] = recipe(people, variant, seed, rates, args)
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=["crowd"], choices=[*SETS, "cuhk03"])
    parser.add_argument("--rows", nargs="+", default=["main"], choices=ROWS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--cuhk03", type=Path)
    parser.add_argument("--graphs", action="store_true")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--scratch", type=Path, default=ROOT / "runs" / "ablation")
    parser.add_argument("--choice", type=Path, default=ROOT / "results" / "ablation_choice.json")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "ablation.json")
    args = parser.parse_args()
    if "cuhk03" in args.sets and not args.cuhk03:
        parser.error("cuhk03 needs --cuhk03 FOLDER")
    runs, file = (choices(args), args.choice) if args.choose else (plan(args), args.out)
    if args.draw:
        for run in {f"{run.dataset} {run.drawn}": run for run in runs.values()}.values():
            splits = run.load_data()
            train_loader(splits.train, run.size, run.p, run.k, run.seed, cache=run.cache).close()
            print(splits, flush=True)
        return
    began = time.monotonic()
    for name, result in run_ablation(runs, file, args.processes, args.threads, args.seconds):
        score = result.get("error") or f"mAP {100 * result['mAP']:.1f}"
        print(f"{time.monotonic() - began:.0f} s  {name}  {score}", flush=True)
    if args.choose:
        print(json.dumps(chosen(file)))


if __name__ == "__main__":
    main()
