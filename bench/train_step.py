"""What RGA costs: a training step of ResNet-50 plain, with RGA-SC, and with RGA-SC in the literal N x N form.

    python bench/train_step.py [--rounds 3] [--steps 3] [--batch 16] [--dtypes fp32 bf16] [--modes eager kept compiled]
                               [--out bench/train_step.json]

Every variant runs in processes of its own (peak memory is the whole process's, as the operating system counts it),
in turn, round by round, so that a machine that drifts slows all of them. The literal form is the test reference
tests/literal_rga.py; all variants are channels-last. On a CUDA device, memory is the allocator's peak. "compiled" is
torch.compile(model): its steps count once it has compiled; compiling is timed apart, in the first round, which starts
with an empty cache. "kept" is eager with memory kept (`rga.allocation.keep_memory`), as `rga.runs.train` does.
Inference is eval() without gradients, measured in the same process after the training steps.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
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


def peak_mib(device):
    """Peak memory: of the process as the operating system counts it; on a CUDA device the allocator's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def can_compile():
    """Whether there is the C++ compiler that torch.compile needs; says so if not."""
    found = shutil.which(os.environ.get("CXX", "g++"))
    if not found:
        print("compiled: left out, torch.compile needs a C++ compiler (g++, or the one that CXX names)")
    return bool(found)


def timed(step, times):
    """Seconds of every call of `step`, which ends by waiting for its result."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def measure(variant, dtype, mode, batch, steps):
    """Seconds of every training step and inference after a warm-up, of compiling, and peak memory in MiB."""
    from rga.allocation import keep_memory
    from rga.losses import identity_loss, triplet_loss

    if mode == "kept":
        keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(variant).to(device, memory_format=torch.channels_last)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 8e-4, weight_decay=5e-4, fused=True)
    images = torch.randn(batch, 3, 256, 128, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) // 4
    called = torch.compile(model) if mode == "compiled" else model
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bf16")

    def train():
        optimizer.zero_grad()  # before the forward pass: the old gradients need not live beside the activations
        with autocast:
            output = called(images)
        loss = identity_loss(output.logits.float(), labels) + triplet_loss(output.feature.float(), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    def infer():
        with torch.no_grad(), autocast:
            called(images).embedding.sum().item()

    first, *_ = timed(train, WARMUP)
    seconds = timed(train, steps)
    peak = peak_mib(device)
    model.eval()
    timed(infer, WARMUP)
    return {
        "seconds": seconds,
        "inference": timed(infer, steps),
        "compile": first - statistics.median(seconds),
        "peak_mib": peak,
    }


def run(variant, dtype, mode, cache, args):
    command = [sys.executable, __file__, "--one", variant, dtype, mode]
    command += ["--batch", str(args.batch), "--steps", str(args.steps)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TORCHINDUCTOR_CACHE_DIR": cache}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def compare(dtype, mode, args):
    """All variants, in turn; medians, and ratios taken round by round."""
    runs = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(args.rounds):
            for variant in VARIANTS:
                runs[variant].append(run(variant, dtype, mode, cache, args))
    seconds = {v: [statistics.median(r["seconds"]) for r in runs[v]] for v in VARIANTS}
    inference = {v: statistics.median(statistics.median(r["inference"]) for r in runs[v]) for v in VARIANTS}
    peak = {v: statistics.median(r["peak_mib"] for r in runs[v]) for v in VARIANTS}

    def ratio(tops, bottoms):
        return statistics.median(top / bottom for top, bottom in zip(tops, bottoms, strict=True))

    result = {
        "seconds_per_step": {v: statistics.median(seconds[v]) for v in VARIANTS},
        "images_per_second": {v: args.batch / statistics.median(seconds[v]) for v in VARIANTS},
        "inference_images_per_second": {v: args.batch / inference[v] for v in VARIANTS},
        "peak_mib": peak,
        "time_over_plain": ratio(seconds["rga_sc"], seconds["plain"]),
        "speedup_over_literal": ratio(seconds["literal"], seconds["rga_sc"]),
        "memory_over_literal": peak["rga_sc"] / peak["literal"],
    }
    if mode == "compiled":
        result["compile_seconds"] = {v: runs[v][0]["compile"] for v in VARIANTS}
    return result


def table(results):
    lines = ["| | variant | s/step | img/s | inference img/s | peak MiB |", "|---|---|---|---|---|---|"]
    for name, result in results.items():
        columns = ("seconds_per_step", "images_per_second", "inference_images_per_second", "peak_mib")
        for v in VARIANTS:
            a, b, c, d = (result[column][v] for column in columns)
            lines.append(f"| {name} | {v} | {a:.3f} | {b:.2f} | {c:.2f} | {d:.0f} |")
    lines += ["", "| | time / plain | faster than literal | memory / literal | compiling, s |"]
    lines += ["|---|---|---|---|---|"]
    for name, result in results.items():
        compiling = result.get("compile_seconds", {}).values()
        lines.append(
            f"| {name} | {result['time_over_plain']:.2f} | {result['speedup_over_literal']:.1f}x | "
            f"{result['memory_over_literal']:.2f} | {' / '.join(f'{s:.0f}' for s in compiling)} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--one", nargs=3, metavar=("VARIANT", "DTYPE", "MODE"), help="measure one variant in this process"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--modes", nargs="+", default=["eager", "kept", "compiled"])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "train_step.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args.batch, args.steps)))
        return
    from rga.provenance import provenance, write_json

    if "compiled" in args.modes and not can_compile():
        args.modes.remove("compiled")
    results = {f"{dtype} {mode}": compare(dtype, mode, args) for mode in args.modes for dtype in args.dtypes}
    settings = {"network": "resnet50", "size": [256, 128], "batch": args.batch, "rounds": args.rounds}
    write_json(args.out, {"settings": settings, "results": results, "provenance": provenance()})
    print(table(results))


if __name__ == "__main__":
    main()
