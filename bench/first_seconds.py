"""The first seconds: imports, --help, and from the start of Python to the first step.

    python bench/first_seconds.py [--before CHECKOUT] [--rounds 3] [--out bench/first_seconds.json]

Every measurement is a process of its own, and includes its start. "first_step" trains as the recipe `quick` does
until the first step is done, in an empty folder: it draws 220 people, 2072 images cut out twice. "first_step_again"
finds them. `--before` is another checkout of this repository, measured in turn with this one.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from own_process import ROOT

from rga.io.json_files import write_json
from rga.io.provenance import provenance

CODE = {
    "import": "import rga",
    "import_used": "import rga; rga.fit, rga.evaluate, rga.models, rga.data",
    "first_step": """
from pathlib import Path
import torch
from rga import runs
from rga.runs.recipes import quick
recipe = quick(root=Path("people").absolute(), out=Path("run").absolute(), overwrite=True)
splits = recipe.load_data()
torch.manual_seed(recipe.seed)
next(runs.train(recipe, recipe.make_model(splits.num_pids), splits))
""",
}


def seconds(checkout: Path, folder: str, *command: str) -> float:
    start = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve())}
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def measure(checkout: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        found = {"help": seconds(checkout, folder, "-m", "rga", "--help")}
        for name, code in CODE.items():
            found[name] = seconds(checkout, folder, "-c", code)
        found["first_step_again"] = seconds(checkout, folder, "-c", CODE["first_step"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "first_seconds.json")
    args = parser.parse_args()
    checkouts = {"before": args.before, "now": ROOT} if args.before else {"now": ROOT}
    measured = {name: [] for name in checkouts}
    for number in range(args.rounds):
        for name, checkout in checkouts.items():
            measured[name].append(measure(checkout))
            print(
                number, name, *(f"{key} {value:.2f}" for key, value in measured[name][-1].items()), flush=True
            )
    medians = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for name, rounds in measured.items()
    }
    write_json(args.out, {"seconds": medians, "rounds": args.rounds, "provenance": provenance("cpu")})


if __name__ == "__main__":
    main()
