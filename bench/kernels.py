"""Kernels of a training step, by what they do: one network, profiled in this process.

    python bench/kernels.py VARIANT PRECISION MODE [--batch 64] [--size 256 128] [--steps 5] [--backbone resnet50]

VARIANT, PRECISION and MODE as in train_step.py, MODE eager or attention (compiled, without CUDA graphs). Prints JSON:
milliseconds and launches a step, by kind and of the longest kernels. On a CUDA device these are the kernels themselves,
by their names (`profile_step.py` adds up the operators that launch them, of which compiled code has none); on a CPU the
operators. What RGA adds is the difference of rga_sc and plain.
"""

import argparse
import json
from collections import Counter

import torch
from torch.autograd import DeviceType
from train_step import WARMUP, build, called_for, training

from rga.device.precision import PRECISIONS, matmul_precision

# The first kind of which a word is in a kernel's name, in small letters.
KINDS = {
    "fused by the compiler": ("triton_", "cpp_fused"),
    "casts and copies": ("copy", "memcpy", "memset", "nchwtonhwc", "nhwctonchw", "transpose", "fill"),
    "BatchNorm": ("batch_norm", "bn_fw", "bn_bw", "batchnorm", "bnfwd", "bnbwd"),
    "convolutions": ("conv", "fprop", "dgrad", "wgrad"),
    "products": ("gemm", "nvjet", "cutlass", "cublas", "bmm", "addmm", "aten::mm", "splitk"),
    "Adam": ("adam", "multi_tensor"),
    "element by element, sums": (
        *("elementwise", "reduce", "relu", "clamp", "threshold", "sigmoid", "aten::mul", "aten::add"),
        *("aten::sum", "aten::div", "softmax", "cat"),
    ),
}


# Ranges that the profiler shows beside the kernels in them.
RANGES = ("Optimizer.", "Torch-Compiled", "## Call", "ProfilerStep")


def kind_of(kernel):
    name = kernel.lower()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "the rest")


def measure(args):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(args.variant, args.size, args.backbone).to(device, memory_format=torch.channels_last)
    train, images, _ = training(model, args.precision, args.batch, args.size)
    called = called_for(args.mode, model, images.shape, args.precision, args.backend)[1]
    activities = [getattr(torch.profiler.ProfilerActivity, device.type.upper())]
    with matmul_precision(args.precision):
        for _ in range(WARMUP + 1):
            train(called)
        with torch.profiler.profile(activities=activities) as profile:
            for _ in range(args.steps):
                train(called)
    milliseconds, launches = Counter(), Counter()
    for event in profile.key_averages():
        on_device = event.device_type == (DeviceType.CUDA if device.type == "cuda" else DeviceType.CPU)
        time = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        if on_device and time and not event.key.startswith(RANGES):
            milliseconds[event.key] += time / 1e3 / args.steps
            launches[event.key] += event.count / args.steps
    kinds = {kind: {"ms": 0.0, "launches": 0.0} for kind in [*KINDS, "the rest"]}
    for name, ms in milliseconds.items():
        kinds[kind_of(name)]["ms"] += ms
        kinds[kind_of(name)]["launches"] += launches[name]
    return {
        "ms": sum(milliseconds.values()),
        "launches": sum(launches.values()),
        "kinds": kinds,
        "longest": [
            {"kernel": name[:160], "kind": kind_of(name), "ms": ms, "launches": launches[name]}
            for name, ms in milliseconds.most_common(40)
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variant", choices=("plain", "rga_sc", "literal"))
    parser.add_argument("precision", choices=PRECISIONS)
    parser.add_argument("mode", choices=("eager", "attention"))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", nargs=2, type=int, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
