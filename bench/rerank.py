"""k-reciprocal re-ranking: seconds, memory and equality of ours and of other projects' code.

    python bench/rerank.py [--peers DIR] [--sizes small market msmt17] [--rounds 3] [--cuda]
                           [--out bench/rerank.json]

DIR holds clones of the others, which are not part of this project; one that is missing is reported and left out:

    github.com/zhunzhong07/person-re-ranking, github.com/KaiyangZhou/deep-person-reid,
    github.com/layumi/Person_reID_baseline_pytorch, github.com/JDAI-CV/fast-reid (its CPU branch needs faiss-cpu)

All start from the same unit-length features, random around people whose neighbourhoods overlap. Every method runs in
processes of its own, in turn, round by round, so that a machine whose speed drifts slows all of them. Seconds are from
features to distances, medians over the rounds. A size's result replaces that size's in the file; other sizes stay. Peak
memory is the whole process's (resident set size); beside it stands what it was after the imports and with the features
loaded. "ours_cuda" has a warm-up, and beside it the allocator's peak on the CUDA device; --cuda runs nothing else. At
MSMT17's size only ours runs, and writes to a file. Distances that differ from Zhong's by more than 1e-6 come from
neighbours that are nearly equally far: float32 rounding decides their order.
"""

import argparse
import importlib
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import types
from importlib import metadata
from pathlib import Path

import numpy as np
from own_process import ROOT, run_script

SIZES = {"small": (1000, 5000, 250), "market": (3368, 15913, 750), "msmt17": (11659, 82161, 3060)}
K1, K2, LAMBDA = 20, 6, 0.3
PEERS = {
    "zhong": "person-re-ranking/python-version/re_ranking_ranklist.py",
    "torchreid": "deep-person-reid/torchreid/utils/rerank.py",
    "layumi": "Person_reID_baseline_pytorch/re_ranking.py",
    "fastreid_faiss": "fast-reid/fastreid/utils/compute_dist.py",
}
SAME_METHOD = "ours", "torchreid"  # as Zhong's; layumi's takes d^4, fast-reid's other neighbours and weights


def draw(queries, gallery, people, width=512, hidden=32, seed=0):
    """Features (Q, F), (G, F): people are points in a space of few dimensions, their images lie around them."""
    rng = np.random.default_rng(seed)
    centre = rng.standard_normal((people, hidden), np.float32)
    view = rng.standard_normal((hidden, width), np.float32)
    x = np.empty((queries + gallery, width), np.float32)
    for part in np.array_split(np.arange(len(x)), 1 + len(x) // 1000):
        inside = centre[rng.integers(0, people, len(part))]
        inside += 0.7 * rng.standard_normal(inside.shape, np.float32)
        x[part] = inside @ view + rng.standard_normal((len(part), width), np.float32)
        x[part] /= np.linalg.norm(x[part], axis=1, keepdims=True)
    return x[:queries], x[queries:]


def euclidean(a, b):
    d = a @ b.T
    d *= -2
    d += 2
    return np.sqrt(d.clip(0, None, out=d), out=d)


def load(path):
    """A peer's module, from its file alone: their packages import much else."""
    if path.name == "compute_dist.py":  # has an import beside it
        package = sys.modules["peer"] = types.ModuleType("peer")
        package.__path__ = [str(path.parent)]
        return importlib.import_module("peer.compute_dist")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def method(name, peers):
    """(q, g, out) -> distances (Q, G); out is None unless the result is to be written there."""
    if name.startswith("ours"):
        import torch

        from rga.metrics import rerank

        if name == "ours":
            return lambda q, g, out: rerank(q, g, K1, K2, LAMBDA, out=out)

        def on_gpu(q, g, out):
            return rerank(*(torch.from_numpy(x).cuda() for x in (q, g)), K1, K2, LAMBDA, out=out)

        on_gpu(*draw(50, 200, 10), None)  # starts the device and loads its programs
        torch.cuda.reset_peak_memory_stats()
        return on_gpu
    module = load(peers / PEERS[name])
    if name == "fastreid_faiss":
        import torch

        def with_faiss(q, g, out):
            both = torch.from_numpy(np.concatenate([q, g]))
            jaccard = module.compute_jaccard_distance(both, K1, K2, search_option=3)[: len(q), len(q) :]
            return (1 - LAMBDA) * jaccard + LAMBDA * euclidean(q, g)

        return with_faiss
    given = euclidean if name != "layumi" else lambda a, b: a @ b.T
    return lambda q, g, out: module.re_ranking(given(q, g), given(q, q), given(g, g), K1, K2, LAMBDA)


def peak_mib():
    """Of this process; where only getrusage knows, it may be the parent's, from which the count starts."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name, folder, peers):
    run = method(name, peers)
    q, g = np.load(folder / "q.npy"), np.load(folder / "g.npy")
    before, out = peak_mib(), None
    if len(g) >= SIZES["msmt17"][1]:
        out = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (len(q), len(g)))
    start = time.perf_counter()
    result = run(q, g, out)
    result = result.cpu().numpy() if hasattr(result, "cpu") else result
    seconds, peak = time.perf_counter() - start, peak_mib()
    if out is None:
        np.save(folder / f"{name}.npy", result)
    found = {"seconds": seconds, "peak_mib": peak, "before_mib": before}
    if name == "ours_cuda":
        import torch

        found["gpu_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return found


def child(name, folder, peers):
    return run_script(__file__, "--one", name, folder, *(["--peers", peers] if peers else []))


def difference(folder, name):
    """How far its distances are from Zhong's."""
    theirs, ours = (np.load(folder / f"{x}.npy", mmap_mode="r") for x in ("zhong", name))
    apart = np.abs(theirs - ours)
    return {"max": float(apart.max()), "share_above_1e-6": float((apart > 1e-6).mean())}


def compare(size, names, args):
    from rga.io.provenance import provenance

    queries, gallery, _ = SIZES[size]
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        folder = Path(folder)
        for name, features in zip("qg", draw(*SIZES[size]), strict=True):
            np.save(folder / f"{name}.npy", features)
        rounds = [{name: child(name, folder, args.peers) for name in names} for _ in range(args.rounds)]
        apart = {n: difference(folder, n) for n in names if "zhong" in names and n in SAME_METHOD}
    result = {"queries": queries, "gallery": gallery, "methods": {}}
    for name in names:
        median = {key: statistics.median(r[name][key] for r in rounds) for key in rounds[0][name]}
        median["device"] = provenance("cuda" if name == "ours_cuda" else "cpu")["device"]
        result["methods"][name] = median | ({"from_zhong": apart[name]} if name in apart else {})
    if "zhong" in names:
        peers = [name for name in names if name in PEERS]
        ratios = [{p: r[p]["seconds"] / r["ours"]["seconds"] for p in peers} for r in rounds]
        best = min(peers, key=lambda p: result["methods"][p]["seconds"])
        ours, zhong = (result["methods"][x] for x in ("ours", "zhong"))
        result |= {
            "speedup_over_zhong": statistics.median(r["zhong"] for r in ratios),
            "best_peer": best,
            "speedup_over_best_peer": statistics.median(r[best] for r in ratios),
            "memory_over_zhong": ours["peak_mib"] / zhong["peak_mib"],
            "own_memory_over_zhong": (ours["peak_mib"] - ours["before_mib"])
            / (zhong["peak_mib"] - zhong["before_mib"]),
        }
    return result


def table(results):
    lines = ["| size | method | seconds | peak MiB | before MiB | GPU MiB | from Zhong's | above 1e-6 |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for result in results.values():
        size = f"{result['queries']} x {result['gallery']}"
        for name, of in result["methods"].items():
            apart = of.get("from_zhong")
            cells = f"{apart['max']:.1e} | {apart['share_above_1e-6']:.1e}" if apart else "- | -"
            memory = f"{of['peak_mib']:.0f} | {of['before_mib']:.0f} | "
            memory += f"{of['gpu_peak_mib']:.0f}" if "gpu_peak_mib" in of else "-"
            lines.append(f"| {size} | {name} | {of['seconds']:.2f} | {memory} | {cells} |")
    lines += [
        "",
        "| size | Zhong's / ours | best peer / ours | memory, ours / Zhong's | beside imports and features |",
    ]
    lines += ["|---|---|---|---|---|"]
    for size, of in results.items():
        if "best_peer" in of:
            lines.append(
                f"| {size} | {of['speedup_over_zhong']:.1f}x | "
                f"{of['speedup_over_best_peer']:.1f}x ({of['best_peer']}) | "
                f"1/{1 / of['memory_over_zhong']:.1f} | 1/{1 / of['own_memory_over_zhong']:.1f} |"
            )
    return "\n".join(lines)


def available(peers):
    """Names of the methods that can run here; says which cannot, and why."""
    names = []
    for name, path in PEERS.items():
        if peers is None or not (peers / path).exists():
            print(f"{name} is absent: no {path} in {peers or '--peers'}.")
        elif name == "fastreid_faiss" and importlib.util.find_spec("faiss") is None:
            print(f"{name} is absent: it needs faiss (pip install faiss-cpu).")
        else:
            names.append(name)
    return names


def commit(clone):
    """Its version; None where it is no clone."""
    if not (clone / ".git").exists():
        return None
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=clone, text=True).strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "FOLDER"), help="measure one in this process")
    parser.add_argument("--peers", type=Path, help="folder of the others' clones")
    parser.add_argument("--cuda", action="store_true", help="only ours on the CUDA device")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "market"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--scratch", type=Path, help="folder for features and distances, 4 GB at MSMT17's size"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "rerank.json")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], Path(args.one[1]), args.peers)))
        return
    import torch

    from rga.io.json_files import write_json
    from rga.io.provenance import provenance

    ours = ["ours_cuda"] if args.cuda else ["ours", *(["ours_cuda"] if torch.cuda.is_available() else [])]
    peers = available(args.peers)
    settings = {"width": 512, "k1": K1, "k2": K2, "lambda": LAMBDA}
    results = json.loads(args.out.read_text(encoding="utf-8"))["results"] if args.out.exists() else {}
    for size in args.sizes:
        others = peers if size != "msmt17" else []
        versions = {name: commit(args.peers / PEERS[name].split("/")[0]) for name in others}
        if "fastreid_faiss" in others:
            versions["faiss"] = metadata.version("faiss-cpu")
        result = compare(size, ours + others, args)
        results[size] = result | {
            "rounds": args.rounds,
            "versions": versions,
            "provenance": provenance("cuda" if args.cuda else "cpu"),
        }
        results = {size: results[size] for size in SIZES if size in results}
        write_json(args.out, {"settings": settings, "results": results})
    print(table(results))


if __name__ == "__main__":
    main()
