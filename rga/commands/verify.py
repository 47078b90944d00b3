"""Verify whether two images show the same person, by what `calibrate` wrote."""

import argparse
from pathlib import Path

from rga.commands.calibrate import measured, read_calibration
from rga.commands.options import add_network, check_files, check_outputs, fraction, load_network
from rga.evaluation import embed
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.metrics import Calibration, pairwise_distance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument("images", nargs=2, type=Path, metavar="IMAGE", help="an image of one person")
    add_network(parser)
    written = "what python -m rga calibrate wrote for this network"
    parser.add_argument("--calibration", type=Path, required=True, metavar="FILE", help=written)
    prior = "prior probability that the two images show one person; default: 0.5"
    parser.add_argument("--prior", type=fraction, default=0.5, metavar="PROBABILITY", help=prior)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result to this file")


def run(args: argparse.Namespace) -> int:
    """Verify whether two images show the same person: a probability, and whether the threshold accepts them."""
    check_files(args.images)
    check_outputs(args.json)
    model = load_network(args)
    content = read_calibration(args.calibration, model)
    pair = embed(model, args.images, flip=content["flip"]).embedding
    distance = pairwise_distance(pair[:1], pair[1:]).item()
    probability = Calibration(content["slope"], content["intercept"]).probability(distance, args.prior)
    accepted = distance <= content["threshold"]
    print(
        f"{'Probably' if probability >= 0.5 else 'Probably not'} the same person: of 100 pairs as alike as these two "
        f"images (cosine similarity {1 - distance:.3f}), {_of_hundred(probability)} show one person, if "
        f"{100 * args.prior:g} % of all pairs do. The threshold, {1 - content['threshold']:.3f}, "
        f"{'accepts' if accepted else 'refuses'} them as the same. {measured(content)}"
    )
    if args.json:
        answer = {"images": args.images, "accepted": accepted, "probability": probability}
        answer |= {"prior": args.prior, "distance": distance, "similarity": 1 - distance}
        answer |= {name: content[name] for name in ("threshold", "measured_on", "network")}
        about = {"calibration": args.calibration, "checkpoint": args.checkpoint}
        write_json(args.json, answer | about | {"provenance": provenance(args.device)})
    return 0


def _of_hundred(probability: float) -> str:
    percent = 100 * probability
    return "fewer than 1" if percent < 1 else "more than 99" if percent > 99 else f"about {percent:.0f}"
