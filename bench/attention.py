"""What each attention costs: a training step of ResNet-50 with it behind all four stages, beside the plain network.

    python bench/attention.py [--names none rga_sc …] [--rounds 2] [--steps 3] [--batch 8] [--size 256 128] [--out FILE]

Time: forward and backward pass of a batch, fp32, channels-last, no optimizer. Every attention has processes of its
own, in turn, round by round; in each, its steps alternate with steps of the plain network, and the ratio is the median
over these pairs (of "none", two plain networks: what the method cannot tell apart).
Memory: the peak of the process (resident set size) before it builds the plain network; `added` is over the process of
"none". On a CUDA device, the allocator's peak.
Multiply-adds (MACs): one image forward, in convolutions and matrix products as torch.utils.flop_counter counts them;
norms, activations, pooling and products with gates are left out. `literal` is the same RGA with its N x N matrices
(`rga.models.literal_rga`), as in the released code.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch
from own_process import ROOT, run_script
from torch.utils.flop_counter import FlopCounterMode
from train_step import peak_mib  # which also teaches the counter the operators of RGA

NUM_PIDS = 751  # table 3 of the paper
WARMUP = 2
NAMES = (
    "none",
    # Table 1
    "rga_s_no_relation",
    "rga_s_no_feature",
    "rga_s",
    "rga_c_no_relation",
    "rga_c_no_feature",
    "rga_c",
    "rga_parallel",
    "rga_cs",
    "rga_sc",
    # Table 2
    "cbam_s",
    "fc_s",
    "non_local",
    "snl",
    "se",
    "cbam_c",
    "fc_c",
    "cbam",
    "fc_parallel",
    # Table 4
    "rga_sc_no_embedding",
    "rga_sc_symmetric",
)


def build(name, size):
    from rga.models import create_model

    torch.manual_seed(0)
    return create_model("resnet50", name, num_pids=NUM_PIDS, size=size)


def step(model, images):
    """Seconds of a forward and a backward pass."""
    from rga.training.losses import identity_loss

    model.zero_grad()  # before the forward pass: the old gradients need not live beside the activations
    start = time.perf_counter()
    loss = identity_loss(model(images).logits, torch.arange(len(images), device=images.device))
    loss.backward()
    loss.item()
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(name, size, batch, steps):
    """Seconds of the steps, those of the plain network between them, and the peak memory in MiB."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = torch.randn(batch, 3, *size, device=device).to(memory_format=torch.channels_last)

    def prepare(name):
        model = build(name, size).to(device, memory_format=torch.channels_last).train()
        for _ in range(WARMUP):
            step(model, images)
        return model

    model = prepare(name)
    peak = peak_mib(device)
    plain = prepare("none")
    pairs = [(step(model, images), step(plain, images)) for _ in range(steps)]
    return {"seconds": [s for s, _ in pairs], "plain": [s for _, s in pairs], "peak_mib": peak}


def count(name, size):
    """Parameters, multiply-adds of one image and, for an RGA, those of its literal form."""
    with torch.device("meta"):
        model = build(name, size).eval()
    counts = {"parameters": sum(p.numel() for p in model.parameters())}
    counts["multiply_adds"] = multiply_adds(model, size)
    if name.startswith("rga"):
        counts["literal"] = multiply_adds(literal(model), size)
    return counts


@torch.no_grad()
def multiply_adds(model, size):
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, *size, device="meta"))
    return counter.get_total_flops() // 2


def literal(model):
    from rga.models import RGA, RelationScore
    from rga.models.literal_rga import LiteralRGA

    for name, module in list(model.named_modules()):
        if isinstance(module, RGA):
            score = next(child for child in module.modules() if isinstance(child, RelationScore))
            told = {"relations": score.has_relations, "feature": score.has_feature}
            told |= {"order": module.order, "embedding": score.embedding}
            model.set_submodule(name, LiteralRGA(module, **told))
    return model


def run(name, args):
    size = "--size", *args.size
    return run_script(__file__, "--one", name, "--batch", args.batch, "--steps", args.steps, *size)


def compare(args):
    """All attentions, in turn: medians, and what each adds to the plain network."""
    counts = {name: count(name, args.size) for name in args.names}
    runs = {name: [] for name in args.names}
    for _ in range(args.rounds):
        for name in args.names:
            runs[name].append(run(name, args))
    results = {}
    for name in args.names:
        seconds, plain = ([s for r in runs[name] for s in r[key]] for key in ("seconds", "plain"))
        results[name] = {
            "seconds_per_step": statistics.median(seconds),
            "time_over_plain": statistics.median(a / b for a, b in zip(seconds, plain, strict=True)),
            "peak_mib": statistics.median(r["peak_mib"] for r in runs[name]),
            **counts[name],
        }
    for result in results.values():
        for key in ("peak_mib", "parameters"):
            result[f"added_{key}"] = result[key] - results["none"][key]
    return results


def table(results):
    lines = ["| attention | s/step | time / plain | peak MiB | added | parameters M | added | "]
    lines[0] += "multiply-adds G | literal |"
    lines.append("|---" * 9 + "|")
    for name, r in results.items():
        in_full = f"{r['literal'] / 1e9:.2f}" if "literal" in r else ""
        lines.append(
            f"| {name} | {r['seconds_per_step']:.3f} | {r['time_over_plain']:.2f} | {r['peak_mib']:.0f} | "
            f"{r['added_peak_mib']:.0f} | {r['parameters'] / 1e6:.2f} | {r['added_parameters'] / 1e6:.2f} | "
            f"{r['multiply_adds'] / 1e9:.2f} | {in_full} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", metavar="NAME", help="measure one attention in this process")
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "attention.json")
    args = parser.parse_args()
    args.size = tuple(args.size)
    if args.one:
        from rga.device.precision import matmul_precision

        with matmul_precision("fp32"):  # GPUs round convolutions otherwise
            print(json.dumps(measure(args.one, args.size, args.batch, args.steps)))
        return
    # Always with the plain network, and in the order of the paper's tables.
    args.names = [name for name in NAMES if name == "none" or name in args.names]
    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    settings = {"network": "resnet50", "num_pids": NUM_PIDS, "precision": "fp32"}
    settings |= {key: vars(args)[key] for key in ("size", "batch", "rounds", "steps")}
    settings["malloc"] = {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")}
    start = time.perf_counter()
    results = compare(args)
    settings["seconds"] = time.perf_counter() - start
    write_json(args.out, {"settings": settings, "results": results, "provenance": provenance()})
    print(table(results))


if __name__ == "__main__":
    main()
