"""A trained network as one file that runs without this package."""

import argparse
import logging
from pathlib import Path

from rga.export import BATCHES, TOLERANCE, to_onnx, to_torch
from rga.search import fingerprint
from rga.training import checkpoint

FORMATS = {"onnx": to_onnx, "torch": to_torch}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    network = "checkpoint of the trained network"
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help=network)
    kinds = "onnx, or torch: a program of torch.export"
    parser.add_argument("--format", choices=FORMATS, required=True, help=kinds)
    out = "the file to write: .onnx or .pt2"
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=out)
    kinds = "after the BN neck (the default), or before it"
    parser.add_argument("--output", choices=("embedding", "feature"), default="embedding", help=kinds)
    pixels = "the input is float32 and already normalised, instead of uint8"
    parser.add_argument("--normalised", action="store_true", help=pixels)


def run(args: argparse.Namespace) -> int:
    """Export a checkpoint to ONNX or torch.export: images in, L2-normalised features out, any batch size.

    The file's outputs are compared with the network's before it gets its name; a wrong one is not written.
    """
    # It warns of constants that it leaves to the runtime.
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    model = checkpoint.load_model(args.checkpoint)
    options = {"output": args.output, "normalised": args.normalised, "about": {"network": fingerprint(model)}}
    path, about, difference = FORMATS[args.format](model, args.out, **options)
    height, width = about["size"]
    pixels = "float32, normalised as rga.data.transforms.normalise does" if args.normalised else "uint8, RGB"
    batches = " and ".join(map(str, BATCHES))
    print(
        f"{path}: {about['backbone']} + {about['attention']}, {path.stat().st_size / 2**20:.1f} MiB\n"
        f"takes      | images (batch, 3, {height}, {width}), {pixels}, resized as rga.data.transforms.resize does\n"
        f"gives      | {args.output} (batch, {about['num_features']}), float32, of length 1: the dot product of two is "
        "their cosine similarity\n"
        f"difference | {difference:.1e} at most to the network in PyTorch, in batches of {batches}; above "
        f"{TOLERANCE:g} the file would not have been written"
    )
    return 0
