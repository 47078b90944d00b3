"""Calibrate a network for verify: which distance means "the same person"."""

import argparse
import random
from pathlib import Path

import torch

from rga.commands.options import (
    add_data_sets,
    add_flip,
    add_network,
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
from rga.metrics import Pairs, calibrate, pairwise_distance, threshold_at, verification_pairs
from rga.models import ReIDModel
from rga.search import fingerprint

FORMAT = "rga calibration 1"
PEOPLE = 1000  # pairs grow with their square; more people would not change the result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    for one in add_data_sets(parser):
        add_network(one)
        add_flip(one)
        one.add_argument("--out", type=Path, required=True, metavar="FILE", help="the calibration (JSON)")
        rate = "false-accept rate: share of the pairs of different people that may be accepted; default: 0.01"
        one.add_argument("--false-accept", type=fraction, default=0.01, metavar="RATE", help=rate)


def run(args: argparse.Namespace) -> int:
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
    print(f"{splits}\n\nThe threshold is the similarity {1 - threshold.distance:.3f}. {measured(content)}")
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


def measured(content: dict) -> str:
    """The error rates of a calibration in words."""
    rates = content["measured_on"]
    return (
        f"Measured on {rates['people']} people of {content['data'][0]} whom the threshold had not seen, it "
        f"takes {100 * rates['false_accept']:.2f} % of {rates['impostor']:,} pairs of different people for "
        f"the same, and recognises {100 * rates['true_accept']:.1f} % of {rates['genuine']:,} pairs of one person. "
        "Images unlike those have other rates."
    )


def read_calibration(path: Path, model: ReIDModel) -> dict:
    """What `run` wrote. Raises ValueError for another file, or one of another network."""
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
