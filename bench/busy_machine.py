"""A training step beside other programs: with a thread for every core, and with one for every idle core.

    python bench/busy_machine.py [--steps 5] [--out bench/busy_machine.json]

ResNet-18 with RGA-SC, 128×64, batch 64, in the precision of the recipe `quick`; beside 0, 1, 2 and 4 busy loops.
Each measurement is a process of its own, the loops run as long as it does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import torch
from own_process import ROOT, run_script

from rga.device.cpu_threads import use_idle_cores
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.models import create_model
from rga.runs.recipes import quick
from rga.training.losses import batch_hard, identity_loss


def measure(threads: str, steps: int) -> dict:
    number = use_idle_cores() if threads == "idle" else torch.get_num_threads()
    recipe = quick()
    model = create_model("resnet18", "rga_sc", num_pids=150, size=recipe.size).train()
    model.to(memory_format=torch.channels_last)
    images = torch.randn(64, 3, *recipe.size).to(memory_format=torch.channels_last)
    labels, seconds = torch.arange(64) // 4, []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
            output = model(images)
        loss = identity_loss(output.logits.float(), labels) + batch_hard(output.feature.float(), labels)
        loss.backward()
        seconds.append(time.perf_counter() - start)
    return {"threads": number, "precision": recipe.precision, "seconds": statistics.median(seconds[1:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "busy_machine.json")
    parser.add_argument("--one", choices=("all", "idle"), help="measure in this process")
    args = parser.parse_args()
    if args.one:
        return print(json.dumps(measure(args.one, args.steps)))
    os.environ.pop("OMP_NUM_THREADS", None)
    rows = []
    for loops in (0, 1, 2, 4):
        with ExitStack() as stack:
            for _ in range(loops):
                process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                stack.callback(process.wait)
                stack.callback(process.kill)
            found = {
                threads: run_script(__file__, "--one", threads, "--steps", args.steps)
                for threads in ("all", "idle")
            }
        rows.append({"loops": loops, **found})
        print(
            loops,
            *(f"{name}: {one['seconds']:.2f} s with {one['threads']}" for name, one in found.items()),
            flush=True,
        )
    write_json(args.out, {"rows": rows, "provenance": provenance("cpu")})


if __name__ == "__main__":
    main()
