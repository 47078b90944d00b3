"""Person verification: calibrate a threshold and a probability, then apply them to two images."""

import argparse
import random
from pathlib import Path

import torch

from rga.commands.options import (
    add_data_sets,
    add_flip,
    add_network,
    check_files,
    check_outputs,
    fraction,
    load_data,
    load_network,
    warn_if_trained_on,
)
from rga.data import Splits
from rga.evaluation import Embeddings, embed
from rga.io.json_files import read_json, write_json
from rga.io.provenance import provenance
from rga.metrics import Calibration, Pairs, calibrate, pairwise_distance, threshold_at, verification_pairs
from rga.models import ReIDModel
from rga.search import fingerprint

FORMAT = "rga calibration 1"
PEOPLE = 1000  # pairs grow with their square; more people would not change the result


def add_calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run_calibrate`."""
    for one in add_data_sets(parser):
        add_network(one)
        add_flip(one)
        one.add_argument("--out", type=Path, required=True, metavar="FILE", help="the calibration (JSON)")
        rate = "false-accept rate: share of the pairs of different people that may be accepted; default: 0.01"
        one.add_argument("--false-accept", type=fraction, default=0.01, metavar="RATE", help=rate)


def run_calibrate(args: argparse.Namespace) -> int:
    """Calibrate a network for verify: which distance means "the same person", as a threshold and as a probability.

    The people are those of query and gallery, because a network knows the ones that it was trained on too well. A
    random half of them decides the threshold (at the false-accept rate) and the probability (logistic regression);
    the other half measures the threshold's error rates. Best are images of your own cameras: people whom the
    checkpoint was not trained on.
    """
    check_outputs(args.out)
    model, splits = load_network(args), load_data(args)
    warn_if_trained_on(args.checkpoint, splits)
    people = _halves(splits)
    query, gallery = (
        embed(
            model,
            [s for s in samples if any(s.pid in half for half in people)],
            flip=args.flip,
            workers=args.workers or 0,
        )
        for samples in (splits.query, splits.gallery)
    )
    deciding, measuring = (_pairs(query, gallery, half) for half in people)
    calibration, threshold = calibrate(deciding), threshold_at(deciding, args.false_accept)
    content = {
        "format": FORMAT,
        "network": fingerprint(model),
        "flip": args.flip,
        "checkpoint": args.checkpoint,
        "data": str(splits).splitlines(),
        "slope": calibration.slope,
        "intercept": calibration.intercept,
        "threshold": threshold.distance,
        "decided_on": _rates(deciding, threshold.distance, people[0]),
        "measured_on": _rates(measuring, threshold.distance, people[1]),
        "provenance": provenance(args.device),
    }
    print(f"{splits}\n\nThe threshold is the similarity {1 - threshold.distance:.3f}. {_measured(content)}")
    write_json(args.out, content)
    return 0


def _halves(splits: Splits) -> tuple[set[int], set[int]]:
    """The people who have a query and a gallery image, in two random halves."""
    people = sorted({s.pid for s in splits.query} & {s.pid for s in splits.gallery})
    if len(people) < 4:
        raise ValueError(
            f"expected at least 4 people in query and gallery, to decide on some and measure on others, got "
            f"{len(people)} in {splits.name}: take a data set with more."
        )
    drawn = random.Random(0).sample(people, min(PEOPLE, len(people)))
    return set(drawn[::2]), set(drawn[1::2])


def _pairs(query: Embeddings, gallery: Embeddings, people: set[int]) -> Pairs:
    pids = torch.tensor(sorted(people))
    q, g = (Embeddings(*(x[torch.isin(some.pids, pids)] for x in some)) for some in (query, gallery))
    return verification_pairs(pairwise_distance(q.embedding, g.embedding), q.pids, g.pids, q.camids, g.camids)


def _rates(pairs: Pairs, threshold: float, people: set[int]) -> dict:
    """Pairs of one person (genuine) and of two (impostor), and the share of either that the threshold accepts."""
    return {
        "people": len(people),
        "genuine": len(pairs.genuine),
        "impostor": len(pairs.impostor),
        "true_accept": (pairs.genuine <= threshold).mean(),
        "false_accept": (pairs.impostor <= threshold).mean(),
    }


def _measured(content: dict) -> str:
    rates = content["measured_on"]
    return (
        f"Measured on {rates['people']} people of {content['data'][0]} whom the threshold had not seen, it "
        f"takes {100 * rates['false_accept']:.2f} % of {rates['impostor']:,} pairs of different people for "
        f"the same, and recognises {100 * rates['true_accept']:.1f} % of {rates['genuine']:,} pairs of one person. "
        "Images unlike those have other rates."
    )


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run_verify`."""
    parser.add_argument("images", nargs=2, type=Path, metavar="IMAGE", help="an image of one person")
    add_network(parser)
    written = "what python -m rga calibrate wrote for this network"
    parser.add_argument("--calibration", type=Path, required=True, metavar="FILE", help=written)
    prior = "prior probability that the two images show one person; default: 0.5"
    parser.add_argument("--prior", type=fraction, default=0.5, metavar="PROBABILITY", help=prior)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result to this file")


def run_verify(args: argparse.Namespace) -> int:
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
        f"{'accepts' if accepted else 'refuses'} them as the same. {_measured(content)}"
    )
    if args.json:
        answer = {"images": args.images, "accepted": accepted, "probability": probability}
        answer |= {"prior": args.prior, "distance": distance, "similarity": 1 - distance}
        answer |= {name: content[name] for name in ("threshold", "measured_on", "network")}
        about = {"calibration": args.calibration, "checkpoint": args.checkpoint}
        write_json(args.json, answer | about | {"provenance": provenance(args.device)})
    return 0


def read_calibration(path: Path, model: ReIDModel) -> dict:
    """What `run_calibrate` wrote. Raises ValueError for another file, or one of another network."""
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a calibration in {path}, found none: python -m rga calibrate writes one."
        )
    try:
        content = read_json(path, "a calibration written by python -m rga calibrate")
    except ValueError:
        content = {}
    if content.get("format") != FORMAT or not isinstance(content.get("network"), str):
        raise ValueError(
            f"expected a calibration written by python -m rga calibrate in {path}, got something else."
        )
    if content["network"] != (here := fingerprint(model)):
        raise ValueError(
            f"{path} is the calibration of another network (fingerprint {content['network'][:12]}, this network's is "
            f"{here[:12]}), whose distances mean something else: run python -m rga calibrate for this one."
        )
    return content


def _of_hundred(probability: float) -> str:
    percent = 100 * probability
    return "fewer than 1" if percent < 1 else "more than 99" if percent > 99 else f"about {percent:.0f}"
