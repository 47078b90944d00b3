"""Person search: the images in a folder that are nearest to a query image."""

import argparse
import os
import sys
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from rga import plot
from rga.commands.options import (
    add_flip,
    add_network,
    add_rerank,
    check_files,
    check_outputs,
    load_network,
    positive_int,
    rerank_options,
)
from rga.data import stack_images
from rga.data.images import how_to_read, is_unreadable_image
from rga.data.scenes import scene_warning
from rga.data.transforms import Size
from rga.evaluation import embed
from rga.io.atomic_write import atomic_write
from rga.io.json_files import write_json
from rga.io.provenance import provenance
from rga.metrics import rerank
from rga.search import Index, build_index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument("queries", nargs="+", type=Path, metavar="QUERY", help="an image of one person")
    folder = "images to search in: any names, in this folder and its subfolders"
    parser.add_argument("--gallery", type=Path, required=True, metavar="FOLDER", help=folder)
    add_network(parser)
    add_flip(parser)
    k = "nearest images to return for each query; default: 10"
    parser.add_argument("-k", type=positive_int, default=10, metavar="N", help=k)
    add_rerank(parser, "k-reciprocal re-ranking of the whole gallery: better lists, much slower")
    index = "save the gallery's features in this file: the next run embeds only new and changed images"
    parser.add_argument("--index", type=Path, metavar="FILE", help=index)
    skip = "leave out images that cannot be read, instead of failing"
    parser.add_argument("--skip-unreadable", action="store_true", help=skip)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    sheet = "draw the queries and their nearest images in this file (PNG)"
    parser.add_argument("--sheet", type=Path, metavar="FILE", help=sheet)


def run(args: argparse.Namespace) -> int:
    """Find the k images in a folder that are most similar to each query image, by cosine similarity.

    A query that is itself in the folder is not returned as its own match.
    """
    check_files(args.queries)
    check_outputs(args.index, args.json, args.sheet)
    if warning := scene_warning(args.queries, "queries"):
        print(f"warning: {warning}", file=sys.stderr)
    model = load_network(args)
    queries = embed(model, args.queries, flip=args.flip).embedding
    options = {"flip": args.flip, "skip_unreadable": args.skip_unreadable, "workers": args.workers or 0}
    index = build_index(model, args.gallery, args.index, **options)
    if index.unreadable:
        advice = how_to_read(index.unreadable) if any(map(is_unreadable_image, index.unreadable)) else ""
        print(f"left out, cannot be read: {', '.join(index.unreadable)} {advice}".rstrip(), file=sys.stderr)
    reranking = rerank_options(args, len(queries) + len(index.paths)) if args.rerank else {}
    matches = _matches(args, index, queries, reranking)
    for number, (query, rows) in enumerate(zip(args.queries, matches, strict=True), 1):
        print(f"query {number}: {query}\nrank | distance | similarity | path")
        for row in rows:
            print("{rank:>4} | {distance:>8.4f} | {similarity:>10.4f} | {path}".format(**row))
    if args.json:
        about = {"gallery": args.gallery, "images": len(index.paths), "unreadable": index.unreadable}
        about |= {"checkpoint": args.checkpoint, "network": index.model}
        about |= {"flip": args.flip, "rerank": args.rerank, **reranking}
        answers = [{"query": q, "matches": rows} for q, rows in zip(args.queries, matches, strict=True)]
        write_json(args.json, about | {"queries": answers, "provenance": provenance(args.device)})
    if args.sheet:
        _draw(args, matches, model.size)
    return 0


def _matches(args: argparse.Namespace, index: Index, queries: Tensor, reranking: dict) -> list[list[dict]]:
    """For each query, its k nearest images; reranking: the options of `rerank`, if it is asked for."""
    k = args.k + 1  # for the query itself
    if reranking:
        reranked = rerank(queries, index.features, **reranking)
        distances, positions = reranked.topk(min(k, reranked.shape[1]), largest=False)
    else:
        distances, positions = index.search(queries, k)
    similarities = F.cosine_similarity(queries[:, None], index.features[positions], dim=2)
    matches = []
    for query, *columns in zip(args.queries, distances, similarities, positions, strict=True):
        found = [
            {"distance": distance, "similarity": similarity, "path": index.paths[position]}
            for distance, similarity, position in zip(*(x.tolist() for x in columns), strict=True)
        ]
        others = [row for row in found if not os.path.samefile(query, args.gallery / row["path"])]
        matches.append([{"rank": rank} | row for rank, row in enumerate(others[: args.k], 1)])
    return matches


def _draw(args: argparse.Namespace, matches: list[list[dict]], size: Size) -> None:
    """The contact sheet: a row for each query, with its nearest images and their distances."""
    sheet, below = {}, {}
    for number, (query, rows) in enumerate(zip(args.queries, matches, strict=True), 1):
        paths = [query, *(args.gallery / row["path"] for row in rows)]
        sheet[f"query {number}"] = stack_images(paths, size)
        below[f"query {number}"] = ["", *(f"{row['distance']:.3f}" for row in rows)]
    titles = ["query", *range(1, max(map(len, sheet.values())))]
    distance = "re-ranked distance" if args.rerank else "cosine distance"
    figure = plot.rows(sheet, titles, f"Most alike first; {distance}", below)
    with atomic_write(args.sheet) as partial:
        figure.savefig(partial, format="png")
