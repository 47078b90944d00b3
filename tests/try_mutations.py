"""Do the tests notice, by chance? A sample of small changes of `rga`, one at a time, by the mutation tool cosmic-ray.

    pip install cosmic-ray
    python tests/try_mutations.py [--seed 1] [--only WORD …] [--out results/mutations.json]

Sampled are modules whose numbers matter: networks, metrics, losses, schedules, sampler, checkpoints. A mutant (another
operator, number, comparison, …) is killed if the tests of its place fail or do not end. Survivors are written down
with their change: a test is missing, or the change changes nothing. Half an hour to an hour.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from try_breaks import copy_project

from rga.io.json_files import read_json, write_json
from rga.io.paths import ROOT
from rga.io.provenance import provenance

# modules of rga: (mutants, tests)
SAMPLES = {
    "models/rga": (10, "models/test_rga"),
    "models/literal_rga": (2, "models/test_rga"),
    "models/tiled_relations": (5, "models/test_tiled_relations"),
    "models/cbam models/se models/fc models/non_local models/attentions models/map_layout": (
        8,
        "models/test_attention models/test_attaching_anywhere",
    ),
    "models/reid": (6, "models/test_reid"),
    "models/attaching": (5, "models/test_attaching models/test_attaching_anywhere"),
    "models/gates models/hooks models/gradcam": (
        6,
        "models/test_gates models/test_hooks models/test_gradcam",
    ),
    "models/released models/resizing models/fine_tuning models/weights_files": (
        10,
        "models/test_released models/test_resizing models/test_fine_tuning models/test_weights_files",
    ),
    "metrics/ranking metrics/fast_ranking metrics/single_shot metrics/chance metrics/features metrics/inputs": (
        16,
        "metrics/test_ranking metrics/test_fast_ranking metrics/test_single_shot metrics/test_chance "
        "metrics/test_features metrics/test_inputs",
    ),
    "metrics/reranking metrics/distance metrics/expansion metrics/multi_query": (
        12,
        "metrics/test_reranking metrics/test_distance metrics/test_expansion metrics/test_multi_query",
    ),
    "metrics/attention metrics/deletion metrics/cameras metrics/curves metrics/verification metrics/bootstrap "
    "metrics/paired": (
        14,
        "metrics/test_attention metrics/test_deletion metrics/test_cameras metrics/test_curves "
        "metrics/test_verification metrics/test_bootstrap metrics/test_paired",
    ),
    "training/losses": (12, "training/test_losses"),
    "training/lr_schedule": (5, "training/test_lr_schedule"),
    "data/sampler": (12, "data/test_sampler"),
    "training/checkpoint": (12, "training/test_checkpoint faults/test_files"),
}


def try_some(folder: Path, modules: str, count: int, tests: str, seed: int) -> dict:
    """The outcome of `count` mutants of some modules in a copy of the project."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += [f"tests/{name}.py" for name in tests.split()]
    variables = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    place = {"cwd": folder, "env": variables, "check": True, "capture_output": True}
    began = time.perf_counter()
    subprocess.run(command, **place)  # unbroken, they pass
    limit = max(60, 6 * (time.perf_counter() - began))
    (folder / "mutations.toml").write_text(
        f"[cosmic-ray]\nmodule-path = {json.dumps([f'rga/{name}.py' for name in modules.split()])}\n"
        f'timeout = {limit:.0f}\nexcluded-modules = []\ntest-command = "{" ".join(command)}"\n'
        '[cosmic-ray.distributor]\nname = "local"\n',
        encoding="utf-8",
    )
    (folder / "mutations.sqlite").unlink(missing_ok=True)
    tool = [shutil.which("cosmic-ray"), "init", "mutations.toml", "mutations.sqlite"]
    subprocess.run(tool, **place)
    with sqlite3.connect(folder / "mutations.sqlite") as session:
        # | stands in annotations, where another operator is an error at import.
        rows = (
            "SELECT job_id FROM mutation_specs WHERE operator_name NOT LIKE '%BitOr%' ORDER BY module_path, "
        )
        rows += "start_pos_row, start_pos_col, operator_name, occurrence"
        jobs = [job for (job,) in session.execute(rows)]
        chosen = random.Random(seed).sample(jobs, min(count, len(jobs)))
        marks = ", ".join("?" * len(chosen))
        for table in ("mutation_specs", "work_items"):
            session.execute(f"DELETE FROM {table} WHERE job_id NOT IN ({marks})", chosen)
    subprocess.run([tool[0], "exec", *tool[2:]], **place)
    with sqlite3.connect(folder / "mutations.sqlite") as session:
        outcomes = session.execute(
            "SELECT module_path, test_outcome, diff FROM mutation_specs JOIN work_results USING (job_id)"
        ).fetchall()
    survived = [
        {"file": file, "change": [line for line in diff.splitlines()[2:] if line[0] in "+-"][-2:]}
        for file, outcome, diff in outcomes
        if "SURVIVED" in outcome.upper()
    ]
    return {"modules": modules, "possible": len(jobs), "tried": len(outcomes), "survived": survived}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""], help="modules whose names hold one of these words")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "mutations.json")
    args = parser.parse_args()
    if shutil.which("cosmic-ray") is None:
        sys.exit("cosmic-ray is not installed: pip install cosmic-ray")
    known = read_json(args.out, "outcomes of mutants")["samples"] if args.out.exists() else []
    for modules, (count, tests) in SAMPLES.items():
        if not any(word in modules for word in args.only):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            copy_project(folder)
            outcome = try_some(folder, modules, count, tests, args.seed)
        print(
            f"{outcome['tried'] - len(outcome['survived'])} of {outcome['tried']} killed: {modules}",
            flush=True,
        )
        known = [one for one in known if one["modules"] != modules] + [outcome | {"seed": args.seed}]
        write_json(args.out, {"samples": known, "provenance": provenance("cpu")})


if __name__ == "__main__":
    main()
