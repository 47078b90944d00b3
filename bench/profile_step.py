"""Where RGA's time goes: a training step of ResNet-50 with RGA-SC less one of ResNet-50, operator by operator.

    python bench/profile_step.py [--steps 3] [--batch 16] [--out bench/profile_step.json]

Both are profiled in processes of their own (torch.profiler, channels-last, 256x128): on a CPU in fp32, with the C
library's malloc as it is ("malloc") and with freed memory kept ("kept", `rga.device.cpu_memory.keep_memory`); on a CUDA
device in tf32 and bf16. An operator's time is its self time: on a CPU without the operators that it calls, on a CUDA
device that of the kernels it launches, summed over the step. Profiling has an overhead, so sums on a CPU are longer
than steps of train_step.py.
"""

import argparse
import json
from pathlib import Path

import torch
from own_process import ROOT, run_script
from train_step import WARMUP, build

from rga.device.precision import autocast, matmul_precision

KINDS = {
    "convolutions, forward": ("mkldnn_convolution", "cudnn_convolution"),
    "convolutions, backward": ("convolution_backward",),
    "products of relations": ("bmm", "baddbmm_", "mm"),
    "casts and copies": ("copy_",),
    "element by element (gates)": ("mul", "add", "add_", "sum", "div", "sigmoid"),
    "BatchNorm and ReLU": (
        "native_batch_norm",
        "native_batch_norm_backward",
        "cudnn_batch_norm",
        "cudnn_batch_norm_backward",
        "threshold_backward",
        "clamp_min_",
    ),
}
AXES = {"cpu": ("malloc", "kept"), "cuda": ("tf32", "bf16")}


def measure(variant, how, batch, steps):
    """Milliseconds of a step by operator."""
    from rga.device.cpu_memory import keep_memory
    from rga.training.losses import batch_hard, identity_loss

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = how if how in AXES["cuda"] else "fp32"
    if how == "kept":
        keep_memory()
    model = build(variant).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 8e-4, weight_decay=5e-4, fused=True)
    images = torch.randn(batch, 3, 256, 128, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) // 4

    def train():
        optimizer.zero_grad()
        with autocast(device, precision):
            output = model(images)
        loss = identity_loss(output.logits.float(), labels) + batch_hard(output.feature.float(), labels)
        loss.backward()
        optimizer.step()

    kinds = torch.profiler.ProfilerActivity
    activities = [kinds.CPU] if device.type == "cpu" else [kinds.CPU, kinds.CUDA]
    with matmul_precision(precision):
        for _ in range(WARMUP):
            train()
        with torch.profiler.profile(activities=activities) as profile:
            for _ in range(steps):
                train()
            if device.type == "cuda":
                torch.cuda.synchronize()
    column = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = {event.key: getattr(event, column) / 1e3 / steps for event in profile.key_averages()}
    # On a CUDA device, kernels are in their operator's time, and once more under their own names.
    return {name: ms for name, ms in times.items() if device.type == "cpu" or name.startswith("aten::")}


def run(variant, how, args):
    return run_script(__file__, "--one", variant, how, "--batch", args.batch, "--steps", args.steps)


def compare(how, args):
    """Milliseconds a step of both networks, by kind of operator and in all; then the 20 longest operators."""
    of = {variant: run(variant, how, args) for variant in ("plain", "rga_sc")}
    result = {}
    for variant, times in of.items():
        kinds = {kind: sum(times.get(f"aten::{n}", 0) for n in names) for kind, names in KINDS.items()}
        total = sum(times.values())
        result[variant] = kinds | {"the rest": total - sum(kinds.values()), "all": total}
    most = sorted(of["rga_sc"], key=of["rga_sc"].get, reverse=True)[:20]
    operators = {name: {variant: times.get(name, 0) for variant, times in of.items()} for name in most}
    return {kind: {v: result[v][kind] for v in result} for kind in result["plain"]}, operators


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--one", nargs=2, metavar=("VARIANT", "HOW"), help="profile one network in this process"
    )
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "profile_step.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args.batch, args.steps)))
        return
    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    device = "cuda" if torch.cuda.is_available() else "cpu"
    compared = {how: compare(how, args) for how in AXES[device]}
    results, operators = ({how: pair[i] for how, pair in compared.items()} for i in (0, 1))
    settings = {"network": "resnet50", "size": [256, 128], "batch": args.batch}
    settings |= {"precision": "fp32"} if device == "cpu" else {}
    value = {"settings": settings, "milliseconds": results, "operators": operators}
    write_json(args.out, value | {"provenance": provenance(device)})
    for name, kinds in results.items():
        print(f"\n| {name}, ms a step | plain | rga_sc | more |\n|---|---|---|---|")
        for kind, ms in kinds.items():
            print(f"| {kind} | {ms['plain']:.1f} | {ms['rga_sc']:.1f} | {ms['rga_sc'] - ms['plain']:.1f} |")


if __name__ == "__main__":
    main()
