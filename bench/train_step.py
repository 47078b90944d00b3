"""What RGA costs: a training step of ResNet-50 plain, with RGA-SC, and with RGA-SC in the literal N x N form.

    python bench/train_step.py [--rounds 3] [--steps 3] [--batch 16] [--size 256 128] [--precisions fp32 bf16]
                               [--modes eager kept compiled graphs attention] [--backbone resnet50] [--cache FOLDER]
                               [--out bench/train_step.json]

Every variant runs in processes of its own (peak memory is the whole process's, its resident set size), in turn, round
by round, so that a machine whose speed drifts slows all of them. The literal form is `rga.models.literal_rga`; all
variants are channels-last. On a CUDA device, memory is the allocator's peak. "compiled" is torch.compile(model): its
steps count once it has compiled; compile time is measured separately, in the first round, which starts with an empty
cache, or with the one in FOLDER. "kept" is eager with freed memory kept (`rga.device.cpu_memory.keep_memory`), as
`rga.runs.train` does; "graphs", on a CUDA device only, is `rga.device.cuda_graphs`, as graphs=True of `rga.fit`, for
training, and eager for inference; "attention" has the attention alone compiled (`rga.device.regional_compile`), for
training inside CUDA graphs where there is a CUDA device. Inference is eval() without gradients, measured in the same
process after training; its peak is known on a CUDA device only, where gradients and optimizer state are dropped before
it.

"Of the ceiling" (FLOPS utilisation): the operations of a training step's convolutions and matrix products, as
torch.utils.flop_counter counts them, over its time, as a share of the throughput of one large square matrix product on
this device in this precision, measured in the same process.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from own_process import ROOT, run_script
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from rga.device.cpu_memory import keep_memory
from rga.device.cuda_graphs import make_graphed
from rga.device.precision import PRECISIONS, autocast, matmul_precision
from rga.device.regional_compile import CompiledRegions
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.models import RGA, RelationScore, create_model
from rga.models.attaching import attached
from rga.models.literal_rga import LiteralRGA
from rga.training.losses import batch_hard, identity_loss

VARIANTS = ("plain", "rga_sc", "literal")
MODES = ("eager", "kept", "compiled", "graphs", "attention")
WARMUP = 2
EDGE = {"cpu": 2048, "cuda": 8192}  # of the square product: long enough to fill the device


# torch counts baddbmm, but not its in-place form, which RGA uses.
@register_flop_formula(torch.ops.aten.baddbmm_)
def flops_of_baddbmm(sum_shape, left_shape, right_shape, **kwargs):
    return 2 * left_shape.numel() * right_shape[-1]


def build(variant, size=(256, 128), backbone="resnet50"):
    torch.manual_seed(0)
    model = create_model(backbone, "none" if variant == "plain" else "rga_sc", num_pids=767, size=size)
    if variant == "literal":
        for name, module in list(model.named_modules()):
            if isinstance(module, RGA):
                model.set_submodule(name, LiteralRGA(module))
                model.get_submodule(name).is_attached = True
    for module in model.modules():
        if isinstance(module, RelationScore):
            module.tiled = variant == "tiled"
    return model.train()


def called_for(mode, model, shape, precision, backend="inductor"):
    """What is called in place of the model, for training and for inference."""
    device = next(model.parameters()).device
    if mode == "compiled":
        return (torch.compile(model, backend=backend),) * 2
    called = CompiledRegions(model, attached(model), backend) if mode == "attention" else model
    graphs = mode == "graphs" or (mode == "attention" and device.type == "cuda")
    return make_graphed(called, shape, precision) if graphs else called, called


def training(model, precision, batch, size):
    """A training step as a function of what is called in place of the model, and its images."""
    device = next(model.parameters()).device
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 8e-4, weight_decay=5e-4, fused=True)
    images = torch.randn(batch, 3, *size, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) // 4

    def train(network):
        optimizer.zero_grad()  # before the forward pass: the old gradients need not live beside the activations
        with autocast(device, precision):
            output = network(images)
        loss = identity_loss(output.logits.float(), labels) + batch_hard(output.feature.float(), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return train, images, optimizer


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


def ceiling(device, precision):
    """Operations a second of one large square matrix product, the best of ten."""
    edge, dtype = EDGE[device.type], {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    left, right = torch.randn(2, edge, edge, device=device, dtype=dtype)
    product = torch.empty_like(left)

    def multiply():
        torch.matmul(left, right, out=product)[0, 0].item()  # waits for the device

    return 2 * edge**3 / min(timed(multiply, WARMUP + 10)[WARMUP:])


def measure(variant, precision, mode, args):
    """Seconds of every training step and inference after a warm-up, and of compiling; peak memory in MiB.

    Also the operations of a training step, and the device's ceiling in operations a second. Called inside
    `rga.device.precision.matmul_precision`, so that fp32 and tf32 are what they say.
    """
    if mode == "kept":
        keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(variant, args.size, args.backbone).to(device, memory_format=torch.channels_last)
    train, images, optimizer = training(model, precision, args.batch, args.size)
    start = time.perf_counter()
    trained, called = called_for(mode, model, images.shape, precision, args.backend)
    train(trained)
    first = time.perf_counter() - start
    timed(lambda: train(trained), WARMUP - 1)

    def infer():
        with torch.no_grad(), autocast(device, precision):
            called(images).embedding.sum().item()

    seconds = timed(lambda: train(trained), args.steps)
    peak = peak_mib(device)
    with FlopCounterMode(display=False) as operations:
        train(model)
    model.eval()
    if device.type == "cuda":
        optimizer.zero_grad()
        optimizer.state.clear()
        torch.cuda.reset_peak_memory_stats()
    first_inference, *_ = timed(infer, WARMUP)
    inference = timed(infer, args.steps)
    return {
        "seconds": seconds,
        "inference": inference,
        "inference_peak_mib": peak_mib(device) if device.type == "cuda" else None,
        "compile": first - statistics.median(seconds),
        "compile_inference": first_inference - statistics.median(inference),
        "peak_mib": peak,
        "operations": operations.get_total_flops(),
        "ceiling": ceiling(device, precision),
    }


def run(variant, precision, mode, cache, args):
    options = ["--one", variant, precision, mode, "--size", *args.size, "--batch", args.batch]
    options += ["--backbone", args.backbone, "--backend", args.backend]
    return run_script(__file__, *options, "--steps", args.steps, TORCHINDUCTOR_CACHE_DIR=cache)


def compare(precision, mode, args):
    """All variants, in turn; medians, and ratios taken round by round."""
    runs = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() if args.cache is None else nullcontext(str(args.cache)) as cache:
        for _ in range(args.rounds):
            for variant in VARIANTS:
                runs[variant].append(run(variant, precision, mode, cache, args))
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
        "operations_per_step": {v: runs[v][0]["operations"] for v in VARIANTS},
        "share_of_ceiling": {
            v: statistics.median(
                r["operations"] / statistics.median(r["seconds"]) / r["ceiling"] for r in runs[v]
            )
            for v in VARIANTS
        },
    }
    if torch.cuda.is_available():
        result["inference_peak_mib"] = {
            v: statistics.median(r["inference_peak_mib"] for r in runs[v]) for v in VARIANTS
        }
    if mode in ("compiled", "attention"):
        result["compile_seconds"] = {v: runs[v][0]["compile"] for v in VARIANTS}
    return result


def table(results):
    lines = ["| | variant | s/step | img/s | of the ceiling | inference img/s | peak MiB |", "|---" * 7 + "|"]
    columns = ("seconds_per_step", "images_per_second", "share_of_ceiling", "inference_images_per_second")
    for name, result in results.items():
        for v in VARIANTS:
            seconds, images, share, inference = (result[column][v] for column in columns)
            lines.append(
                f"| {name} | {v} | {seconds:.4f} | {images:.2f} | {100 * share:.0f} % | {inference:.2f} | "
                f"{result['peak_mib'][v]:.0f} |"
            )
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
        "--one", nargs=3, metavar=("VARIANT", "PRECISION", "MODE"), help="measure one variant in this process"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", nargs=2, type=int, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS)
    parser.add_argument("--modes", nargs="+", choices=MODES)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    parser.add_argument(
        "--cache", type=Path, help="torch.compile's cache; without it, a new one in each comparison"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "train_step.json")
    args = parser.parse_args()
    if args.one:
        with matmul_precision(args.one[1]):
            print(json.dumps(measure(*args.one, args)))
        return
    on_gpu = torch.cuda.is_available()
    precisions = args.precisions or (["fp32", "tf32", "bf16"] if on_gpu else ["fp32", "bf16"])
    modes = args.modes or ["eager", "graphs" if on_gpu else "kept", "compiled"]
    if {"compiled", "attention"} & {*modes} and not (on_gpu or can_compile()):
        modes = [mode for mode in modes if mode not in ("compiled", "attention")]
    start = time.perf_counter()
    results = {
        f"{precision} {mode}": compare(precision, mode, args) for mode in modes for precision in precisions
    }
    settings = {"network": args.backbone}
    settings |= {key: vars(args)[key] for key in ("size", "batch", "rounds", "steps")}
    settings["seconds"] = time.perf_counter() - start
    write_json(args.out, {"settings": settings, "results": results, "provenance": provenance()})
    print(table(results))


if __name__ == "__main__":
    main()
