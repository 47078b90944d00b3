"""Score a trained network on a data set: CMC, mAP and mINP, before and after the BN neck."""

import argparse
from pathlib import Path

from rga.commands.options import (
    add_data_sets,
    add_flip,
    add_network,
    check_outputs,
    load_data,
    load_network,
    warn_if_trained_on,
)
from rga.evaluation import evaluate
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.metrics import Ranking, chance_rank1, evaluate_ranking, evaluate_single_shot, rerank
from rga.search import fingerprint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    for one in add_data_sets(parser):
        add_network(one)
        add_flip(one)
        multi_query = "average each query over all images of its person by its camera (Market-1501's gt_bbox)"
        one.add_argument("--multi-query", action="store_true", help=multi_query)
        one.add_argument("--rerank", action="store_true", help="also score k-reciprocal re-ranking")
        one.add_argument("--json", type=Path, metavar="FILE", help="also write the scores to this file")


def run(args: argparse.Namespace) -> int:
    """Evaluate a checkpoint on a data set by the set's own protocol: rank-1, rank-5, rank-10, mAP and mINP."""
    check_outputs(args.json)
    model, splits = load_network(args), load_data(args)
    print(splits)
    known = warn_if_trained_on(args.checkpoint, splits)
    options = {"flip": args.flip, "multi_query": args.multi_query}
    evaluation = evaluate(model, splits, workers=args.workers or 0, **options)
    rankings = {"before_neck": evaluation.feature, "after_neck": evaluation.embedding}
    (*features, q_pids, q_camids), (*g_features, g_pids, g_camids) = evaluation.query, evaluation.gallery
    ids = q_pids, g_pids, q_camids, g_camids
    if args.rerank:
        rank = evaluate_single_shot if splits.single_shot else evaluate_ranking
        for name, q, g in zip(list(rankings), features, g_features, strict=True):
            rankings[f"{name}_reranked"] = rank(rerank(q, g), *ids)
    chance = chance_rank1(*ids, splits.single_shot)
    print()
    for name, ranking in rankings.items():
        print(f"{name.replace('_', ' '):<{max(map(len, rankings))}} | {ranking}")
    print(f"chance: rank-1 {100 * chance:.1f} %")
    if args.json:
        about = {"data": str(splits).splitlines(), "checkpoint": args.checkpoint, "config": model.config}
        about |= {"network": fingerprint(model), **options, "chance_rank1": chance}
        about["test_people_trained_on"] = known
        scores = {name: _scores(ranking) for name, ranking in rankings.items()}
        write_json(args.json, about | scores | {"provenance": provenance(args.device)})
    return 0


def _scores(ranking: Ranking) -> dict:
    scores = {"rank1": ranking.rank(1), "rank5": ranking.rank(5), "rank10": ranking.rank(10)}
    scores |= {"mAP": ranking.mAP, "mINP": ranking.mINP, "queries": ranking.num_valid}
    return scores | {"cmc": ranking.cmc[:50]}
