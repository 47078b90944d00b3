"""The comparison of notebook 06 for more attentions: each behind `layer1` of the same trained network, paired by seed.

    python bench/transfer.py [--seeds 4] [--steps 150] [--out results/transfer.json]

Five minutes on one CPU core. Runs that the file already holds are left out, so that it goes on where it stopped.
"""

import argparse
import copy
import json
from pathlib import Path

import torch
from own_process import ROOT

from rga.course import transfer_task
from rga.data import cued_digits
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.metrics import paired_interval, t_interval
from rga.models import attach

ATTENTIONS = ("none", "rga_sc", "rga_s", "rga_c", "se", "cbam", "non_local")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "transfer.json")
    args = parser.parse_args()
    held = (
        json.loads(args.out.read_text(encoding="utf-8"))
        if args.out.exists()
        else {"steps": args.steps, "runs": {}}
    )
    if held["steps"] != args.steps:
        parser.error(f"{args.out} holds runs of {held['steps']} steps: name another file by --out")
    ready = transfer_task.pretrained()
    for name in ATTENTIONS:
        runs = held["runs"].setdefault(name, {})
        for seed in map(str, range(args.seeds)):
            if seed not in runs:
                torch.manual_seed(int(seed))  # as notebook 06 does: of the attention's own random weights
                network = copy.deepcopy(ready)
                if name != "none":
                    attach(network, ["layer1"], name, cued_digits.SIZE).eval()
                trained = transfer_task.train(network, args.steps, int(seed))
                runs[seed] = transfer_task.accuracy(trained)
                write_json(args.out, held | {"provenance": provenance("cpu")})
        mean, gain = t_interval(runs.values()), paired_interval(runs, held["runs"]["none"])
        print(
            f"{name:<9} {100 * mean.value:.1f} ± {100 * (mean.high - mean.value):.1f} %, less none "
            f"{100 * gain.value:+.1f} ± {100 * (gain.high - gain.value):.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
