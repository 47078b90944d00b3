"""A training step on a CPU as rga.runs.train takes it: plain, with RGA-SC, and with its attention compiled.

    python bench/cpu_step.py [--rounds 2] [--steps 3] [--out bench/cpu_step.json]

ResNet-50, 256×128, batch 16, freed memory kept. Every measurement is a process of its own (bench/train_step.py), all
of a round one after the other, so that ratios are of neighbours.
"""

import argparse
import os
import statistics
from pathlib import Path

from own_process import ROOT, run_script

from rga.io.json_files import write_json
from rga.io.provenance import provenance

# What rga.device.cpu_memory sets, for glibc's malloc.
KEPT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**36),
    "MALLOC_TOP_PAD_": str(2**26),
}
ROWS = {  # variant and mode of bench/train_step.py
    "plain": ("plain", "kept"),
    "rga_sc": ("rga_sc", "kept"),
    "attention compiled": ("rga_sc", "attention"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "cpu_step.json")
    args = parser.parse_args()
    os.environ |= KEPT  # also where the attention is compiled
    results = {}
    for precision in ("fp32", "bf16"):
        seconds = {name: [] for name in ROWS}
        compiling = None
        for number in range(args.rounds):
            for name, (variant, mode) in ROWS.items():
                script = ROOT / "bench" / "train_step.py"
                found = run_script(script, "--one", variant, precision, mode, "--steps", args.steps)
                seconds[name].append(statistics.median(found["seconds"]))
                compiling = compiling or (name == "attention compiled" and found["compile"])
                print(precision, number, name, f"{seconds[name][-1]:.2f} s", flush=True)
        ratios = {
            name: statistics.median(one / plain for one, plain in zip(found, seconds["plain"], strict=False))
            for name, found in seconds.items()
        }
        results[precision] = {"seconds": seconds, "over_plain": ratios, "compile_seconds": compiling}
        write_json(args.out, {"results": results, "provenance": provenance("cpu")})


if __name__ == "__main__":
    main()
