"""Score a trained network on a data set: CMC, mAP and mINP, before and after the BN neck."""

import argparse
from pathlib import Path

from rga.commands.options import (
    add_data_sets,
    add_flip,
    add_network,
    add_rerank,
    check_outputs,
    load_data,
    load_network,
    rerank_options,
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
        add_rerank(one, "also score k-reciprocal re-ranking")
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
    chance = chance_rank1(*ids, splits.single_shot)
    about = {"data": str(splits).splitlines(), "checkpoint": args.checkpoint, "config": model.config}
    about |= {"network": fingerprint(model), **options, "chance_rank1": chance}
    about["test_people_trained_on"] = known
    print()
    _report(args, rankings, about)
    if args.rerank:
        rank = evaluate_single_shot if splits.single_shot else evaluate_ranking
        reranking = rerank_options(args, len(q_pids) + len(g_pids))
        reranked = {
            f"{name}_reranked": rank(rerank(q, g, **reranking), *ids)
            for name, q, g in zip(rankings, features, g_features, strict=True)
        }
        _report(args, reranked, about | reranking | {name: _scores(rankings[name]) for name in rankings})
    print(f"chance: rank-1 {100 * chance:.1f} %")
    return 0


def _report(args: argparse.Namespace, rankings: dict[str, Ranking], about: dict) -> None:
    """Print the rankings, and write them and what is `about` them: before re-ranking, which is long, and after it."""
    width = len("before_neck_reranked" if args.rerank else "before_neck")
    for name, ranking in rankings.items():
        print(f"{name.replace('_', ' '):<{width}} | {ranking}", flush=True)
    if args.json:
        scores = {name: _scores(ranking) for name, ranking in rankings.items()}
        write_json(args.json, about | scores | {"provenance": provenance(args.device)})


def _scores(ranking: Ranking) -> dict:
    scores = {"rank1": ranking.rank(1), "rank5": ranking.rank(5), "rank10": ranking.rank(10)}
    scores |= {"mAP": ranking.mAP, "mINP": ranking.mINP, "queries": ranking.num_valid}
    return scores | {"cmc": ranking.cmc[:50]}
