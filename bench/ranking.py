"""What scoring a ranking costs: CMC, mAP and mINP here and by other projects' evaluators, on the same distances.

    python bench/ranking.py [--peers DIR] [--rounds 3] [--queries 3368] [--gallery 15913] [--slow] [--large]
                             [--cuda] [--out bench/ranking.json]

DIR holds clones of github.com/JDAI-CV/fast-reid and github.com/KaiyangZhou/deep-person-reid, under their names; one
that is missing is reported as absent. Their Cython is compiled in place if it is not yet: that needs Cython, setuptools
and a C compiler, which this project does not. --slow adds their evaluators without Cython, in one round.

Sizes default to Market-1501's, with as many people and cameras; features are random, and distances theirs. Every
variant runs in processes of its own, in turn, round by round; "rga, CUDA", with the distances on the device, if there
is one. Memory is the growth of the process's peak (resident set size) beyond the distances; on a CUDA device, of the
allocator's. Then the same from features on the CPU, without the distance matrix: at MSMT17's size, and at sizes that
show how memory grows. --cuda: only the CUDA device, from features at Market-1501's size and at MSMT17's.
--large does none of this: it adds 11,659 x 1,000,000 of 512 features, ten minutes, to the results in the file.
"""

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from own_process import ROOT, run_script

PEERS = {  # clone, folder in it, module, function
    "fast-reid, Cython": ("fast-reid", "fastreid/evaluation/rank_cylib", "rank_cy", "evaluate_cy"),
    "torchreid, Cython": ("deep-person-reid", "torchreid/metrics/rank_cylib", "rank_cy", "evaluate_cy"),
    "fast-reid, Python": ("fast-reid", "fastreid/evaluation", "rank", "evaluate_py"),
    "torchreid, Python": ("deep-person-reid", "torchreid/metrics", "rank", "evaluate_py"),
}
SLOW = ("fast-reid, Python", "torchreid, Python")
RANKS = 50
FEATURES = (
    (11659, 82161, 512),
    (1000, 50_000, 64),
    (1000, 100_000, 64),
    (1000, 200_000, 64),
    (2000, 200_000, 64),
)
ON_CUDA = ((3368, 15913, 512), (11659, 82161, 512))
LARGE = (11659, 1_000_000, 512)


def draw(queries, gallery, width=128):
    """Features of people seen by six cameras, a sixth of the gallery distractors (pid 0), and their ids."""
    import torch

    generator = torch.Generator().manual_seed(0)
    people = torch.randn(751, width, generator=generator)
    pids = [torch.randint(1, 751, (n,), generator=generator) for n in (queries, gallery)]
    pids[1][torch.rand(gallery, generator=generator) < 1 / 6] = 0
    camids = [torch.randint(1, 7, (n,), generator=generator) for n in (queries, gallery)]
    features = [torch.randn(n, width, generator=generator).mul_(3) for n in (queries, gallery)]
    for feature, pid in zip(features, pids, strict=True):
        for start in range(0, len(feature), 10_000):  # no second copy of a large gallery
            rows = slice(start, start + 10_000)
            feature[rows] += people[pid[rows]] * (pid[rows] > 0)[:, None]
    return *features, *(x.numpy() for x in (*pids, *camids))


def peer(folder, variant):
    """Another project's evaluator, compiled if need be; raises LookupError with a reason where it cannot be had."""
    clone, inside, name, function = PEERS[variant]
    home = folder / clone / inside
    if not home.is_dir():
        raise LookupError(f"no folder {clone}/{inside} in --peers")
    pattern = f"{name}.py" if function == "evaluate_py" else f"{name}.*.so"
    if function == "evaluate_cy" and not list(home.glob(pattern)):
        build = [sys.executable, "setup.py", "build_ext", "--inplace"]
        done = subprocess.run(build, cwd=home, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip() or "no output").splitlines()[-1]
            raise LookupError(f"its Cython could not be compiled: {reason}")
    path = next(home.glob(pattern))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise LookupError(f"it does not import: {error}") from error
    return lambda *data: getattr(module, function)(*data, RANKS, False)


def peak_mib(on_gpu=False):
    if on_gpu:
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(variant, args):
    """Seconds, growth of memory and scores of one variant, or why it is absent."""
    from rga.metrics import evaluate_ranking, pairwise_distance

    if variant in PEERS:
        try:
            evaluate = peer(args.peers, variant)
        except LookupError as error:
            return {"absent": str(error)}
    q, g, *ids = draw(args.queries, args.gallery)
    distances, on_gpu = pairwise_distance(q, g), variant == "rga, CUDA"
    distances = distances.cuda() if on_gpu else distances.numpy()
    before, seconds = peak_mib(on_gpu), []
    for _ in range(1 if "Python" in variant else 3):
        start = time.perf_counter()
        if variant not in PEERS:
            ranking = evaluate_ranking(distances, *ids)
            cmc, precision, penalty = ranking.cmc[:RANKS], ranking.mAP, ranking.mINP
        else:
            cmc, precision, *penalty = evaluate(distances, *ids)
        seconds.append(time.perf_counter() - start)
    # fast-reid gives every query's precision, torchreid the mean; only fast-reid has a penalty.
    scores = {"cmc": np.asarray(cmc, dtype=float), "mAP": np.mean(precision)}
    if np.size(penalty):
        scores["mINP"] = np.mean(penalty)
    scores = {name: np.asarray(value).tolist() for name, value in scores.items()}
    return {"seconds": statistics.median(seconds), "growth_mib": peak_mib(on_gpu) - before, **scores}


def measure_features(queries, gallery, width, on_gpu=False):
    from rga.metrics import evaluate_features

    q, g, *ids = draw(queries, gallery, width)
    if on_gpu:
        import torch

        q, g = q.cuda(), g.cuda()
        evaluate_features(q, g, *ids)  # starts the device and loads its programs
        torch.cuda.reset_peak_memory_stats()
    before, start = peak_mib(on_gpu), time.perf_counter()
    ranking = evaluate_features(q, g, *ids)
    seconds = time.perf_counter() - start
    return {
        "queries": queries,
        "gallery": gallery,
        "width": width,
        "seconds": seconds,
        "growth_mib": peak_mib(on_gpu) - before,
        "features_mib": (queries + gallery) * width * 4 / 2**20,
        "matrix_mib": queries * gallery * 4 / 2**20,
        "mAP": ranking.mAP,
    }


def run(args, *options):
    sizes = "--queries", args.queries, "--gallery", args.gallery
    return run_script(__file__, *sizes, *options, *(["--peers", args.peers] if args.peers else []))


def commits(folder):
    """The version of each clone."""
    clones = sorted({clone for clone, *_ in PEERS.values() if folder and (folder / clone / ".git").exists()})
    commit = ["git", "rev-parse", "HEAD"]
    return {clone: subprocess.check_output(commit, cwd=folder / clone, text=True).strip() for clone in clones}


def compare(args):
    """All variants in turn; medians, ratios taken round by round, and the largest difference to our scores."""
    import torch

    from rga.io.provenance import provenance

    on_cuda = ["rga, CUDA"] if torch.cuda.is_available() else []
    peers = [v for v in PEERS if args.peers and (args.slow or v not in SLOW)]
    variants = on_cuda if args.cuda else ["rga", *on_cuda, *peers]
    runs = {variant: [] for variant in variants}
    for number in range(args.rounds):
        for variant in variants:
            if variant not in SLOW or number == 0:
                runs[variant].append(run(args, "--one", variant))
    ours, results = runs[variants[0]], {}
    for variant, rounds in runs.items():
        if "absent" in rounds[0]:
            results[variant] = rounds[0]
            continue
        ratios = [r["seconds"] / o["seconds"] for r, o in zip(rounds, ours, strict=False)]
        differences = {
            score: float(np.abs(np.subtract(rounds[0][score], ours[0][score])).max())
            for score in ("cmc", "mAP", "mINP")
            if score in rounds[0]
        }
        results[variant] = {
            "seconds": statistics.median(r["seconds"] for r in rounds),
            "growth_mib": statistics.median(r["growth_mib"] for r in rounds),
            "time_over_rga": statistics.median(ratios),
            "largest_difference": differences,
            "device": provenance("cuda" if variant == "rga, CUDA" else "cpu")["device"],
        }
    return results


def table(results, features):
    lines = ["| evaluator | seconds | time / rga | MiB | differs from rga by |", "|---|---|---|---|---|"]
    for variant, r in results.items():
        if "absent" in r:
            lines.append(f"| {variant} | absent: {r['absent']} | | | |")
            continue
        differs = ", ".join(f"{name} {value:.0e}" for name, value in r["largest_difference"].items())
        lines.append(
            f"| {variant} | {r['seconds']:.3f} | {r['time_over_rga']:.1f} | {r['growth_mib']:.0f} | {differs} |"
        )
    lines += [
        "",
        "| from features | seconds | MiB | features, MiB | the matrix, MiB |",
        "|---|---|---|---|---|",
    ]
    for f in features:
        size = f"{f['queries']:,} x {f['gallery']:,}, {f['width']}"
        lines.append(
            f"| {size} | {f['seconds']:.1f} | {f['growth_mib']:.0f} | {f['features_mib']:.0f} | {f['matrix_mib']:.0f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", metavar="VARIANT", help="measure one variant in this process")
    parser.add_argument(
        "--from-features", nargs=3, type=int, metavar=("Q", "G", "F"), help="measure that in this process"
    )
    parser.add_argument("--cuda", action="store_true", help="only on the CUDA device, from features too")
    parser.add_argument("--peers", type=Path, help="folder with clones of the other projects")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=15913)
    parser.add_argument("--slow", action="store_true", help="the peers without Cython, too")
    parser.add_argument("--large", action="store_true", help="only a million images from features")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "ranking.json")
    args = parser.parse_args()
    if args.one or args.from_features:
        result = measure(args.one, args) if args.one else measure_features(*args.from_features, args.cuda)
        print(json.dumps(result))
        return
    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    if args.large:
        value = json.loads(args.out.read_text(encoding="utf-8"))
        value["large"] = run(args, "--from-features", *LARGE) | {"provenance": provenance("cpu")}
    else:
        settings = {"queries": args.queries, "gallery": args.gallery, "rounds": args.rounds}
        value = {"settings": settings | {"peers": commits(args.peers)}, "results": compare(args)}
        sizes, there = (ON_CUDA, ["--cuda"]) if args.cuda else (FEATURES, [])
        value["features"] = [run(args, *there, "--from-features", *size) for size in sizes]
        value["provenance"] = provenance("cuda" if args.cuda else "cpu")
    write_json(args.out, value)
    print(table(value["results"], value["features"] + ([value["large"]] if "large" in value else [])))


if __name__ == "__main__":
    main()
