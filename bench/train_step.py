"""What RGA costs: a training step of ResNet-50 plain, with RGA-SC, and with RGA-SC in the literal N x N form.

    python bench/train_step.py [--rounds 3] [--steps 3] [--batch 16] [--dtypes fp32 bf16] [--out bench/train_step.json]

Every variant runs in processes of its own (peak memory is the whole process's, as the operating system counts it),
in turn, round by round, so that a machine that drifts slows all of them. The literal form is the test reference
tests/literal_rga.py; all variants are channels-last. On a CUDA device, memory is the allocator's peak.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
VARIANTS = ("plain", "rga_sc", "literal")
WARMUP = 2


def build(variant):
    from rga.models import RGA, create_model

    torch.manual_seed(0)
    model = create_model(
        "resnet50", "none" if variant == "plain" else "rga_sc", num_pids=767, size=(256, 128)
    )
    if variant == "literal":
        sys.path.insert(0, str(ROOT / "tests"))
        from literal_rga import LiteralRGA

        for name, module in list(model.named_modules()):
            if isinstance(module, RGA):
                model.set_submodule(name, LiteralRGA(module))
    return model.train()


def measure(variant, dtype, batch, steps):
    """Seconds of every step after a warm-up, and peak memory in MiB."""
    from rga.losses import identity_loss, triplet_loss

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(variant).to(device, memory_format=torch.channels_last)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 8e-4, weight_decay=5e-4, fused=True)
    images = torch.randn(batch, 3, 256, 128, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) // 4
    seconds = []
    for _ in range(WARMUP + steps):
        start = time.perf_counter()
        optimizer.zero_grad()  # before the forward pass: the old gradients need not live beside the activations
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bf16"):
            output = model(images)
        loss = identity_loss(output.logits.float(), labels) + triplet_loss(output.feature.float(), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - start)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds[WARMUP:], "peak_mib": peak}


def run(variant, dtype, args):
    command = [
        sys.executable,
        __file__,
        "--one",
        variant,
        dtype,
        "--batch",
        str(args.batch),
        "--steps",
        str(args.steps),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def compare(dtype, args):
    """All variants, in turn; medians, and ratios taken round by round."""
    runs = {variant: [] for variant in VARIANTS}
    for _ in range(args.rounds):
        for variant in VARIANTS:
            runs[variant].append(run(variant, dtype, args))
    seconds = {v: [statistics.median(r["seconds"]) for r in runs[v]] for v in VARIANTS}
    peak = {v: statistics.median(r["peak_mib"] for r in runs[v]) for v in VARIANTS}

    def ratio(tops, bottoms):
        return statistics.median(top / bottom for top, bottom in zip(tops, bottoms, strict=True))

    return {
        "seconds_per_step": {v: statistics.median(seconds[v]) for v in VARIANTS},
        "images_per_second": {v: args.batch / statistics.median(seconds[v]) for v in VARIANTS},
        "peak_mib": peak,
        "time_over_plain": ratio(seconds["rga_sc"], seconds["plain"]),
        "speedup_over_literal": ratio(seconds["literal"], seconds["rga_sc"]),
        "memory_over_literal": peak["rga_sc"] / peak["literal"],
    }


def table(results):
    lines = ["| precision | variant | s/step | img/s | peak MiB |", "|---|---|---|---|---|"]
    for dtype, result in results.items():
        for v in VARIANTS:
            cells = result["seconds_per_step"][v], result["images_per_second"][v], result["peak_mib"][v]
            lines.append(f"| {dtype} | {v} | {cells[0]:.3f} | {cells[1]:.2f} | {cells[2]:.0f} |")
    lines += ["", "| precision | time / plain | faster than literal | memory / literal |"]
    lines += ["|---|---|---|---|"]
    for dtype, result in results.items():
        lines.append(
            f"| {dtype} | {result['time_over_plain']:.2f} | {result['speedup_over_literal']:.1f}x | "
            f"{result['memory_over_literal']:.2f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--one", nargs=2, metavar=("VARIANT", "DTYPE"), help="measure one variant in this process"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "train_step.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args.batch, args.steps)))
        return
    from rga.provenance import provenance, write_json

    results = {dtype: compare(dtype, args) for dtype in args.dtypes}
    settings = {"network": "resnet50", "size": [256, 128], "batch": args.batch, "rounds": args.rounds}
    settings["malloc"] = {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")}
    write_json(args.out, {"settings": settings, "results": results, "provenance": provenance()})
    print(table(results))


if __name__ == "__main__":
    main()
