"""Where RGA's time goes: a training step of ResNet-50 with RGA-SC less one of ResNet-50, operator by operator.

    python bench/profile_step.py [--steps 3] [--batch 16] [--out bench/profile_step.json]

Both are profiled in processes of their own (torch.profiler, fp32, channels-last, 256x128), with the C library's malloc
as it is and with memory kept (`rga.allocation.keep_memory`). An operator's time is what passes in it and not in others
that it calls, summed over the step. The profiler itself takes time, so sums are longer than steps of train_step.py.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from train_step import WARMUP, build

ROOT = Path(__file__).parent.parent
KINDS = {
    "convolutions, forward": ("mkldnn_convolution",),
    "convolutions, backward": ("convolution_backward",),
    "products of relations": ("bmm", "baddbmm_", "mm"),
    "element by element (gates)": ("mul", "add", "add_", "sum", "div", "sigmoid"),
    "BatchNorm and ReLU": (
        "native_batch_norm",
        "native_batch_norm_backward",
        "threshold_backward",
        "clamp_min_",
    ),
}


def measure(variant, memory, batch, steps):
    """Milliseconds of a step by operator."""
    from rga.allocation import keep_memory
    from rga.losses import identity_loss, triplet_loss

    if memory == "kept":
        keep_memory()
    model = build(variant).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 8e-4, weight_decay=5e-4, fused=True)
    images = torch.randn(batch, 3, 256, 128).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) // 4

    def train():
        optimizer.zero_grad()
        output = model(images)
        (identity_loss(output.logits, labels) + triplet_loss(output.feature, labels)).backward()
        optimizer.step()

    for _ in range(WARMUP):
        train()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(steps):
            train()
    return {event.key: event.self_cpu_time_total / 1e3 / steps for event in profile.key_averages()}


def run(variant, memory, args):
    command = [sys.executable, __file__, "--one", variant, memory]
    command += ["--batch", str(args.batch), "--steps", str(args.steps)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def compare(memory, args):
    """Milliseconds of both networks, in all and by kind of operator; the rest is everything that has no kind."""
    of = {variant: run(variant, memory, args) for variant in ("plain", "rga_sc")}
    result = {}
    for variant, times in of.items():
        kinds = {kind: sum(times.get(f"aten::{n}", 0) for n in names) for kind, names in KINDS.items()}
        total = sum(times.values())
        result[variant] = kinds | {"the rest": total - sum(kinds.values()), "all": total}
    return {kind: {variant: result[variant][kind] for variant in result} for kind in result["plain"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--one", nargs=2, metavar=("VARIANT", "MEMORY"), help="profile one network in this process"
    )
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "profile_step.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args.batch, args.steps)))
        return
    from rga.provenance import provenance, write_json

    results = {memory: compare(memory, args) for memory in ("malloc", "kept")}
    settings = {"network": "resnet50", "size": [256, 128], "batch": args.batch, "precision": "fp32"}
    write_json(args.out, {"settings": settings, "milliseconds": results, "provenance": provenance("cpu")})
    for name, kinds in results.items():
        print(f"\n| {name}, ms a step | plain | rga_sc | more |\n|---|---|---|---|")
        for kind, ms in kinds.items():
            print(f"| {kind} | {ms['plain']:.0f} | {ms['rga_sc']:.0f} | {ms['rga_sc'] - ms['plain']:.0f} |")


if __name__ == "__main__":
    main()
