"""What a GPU is asked: tests, training steps and kernels, each in a process of its own that leaves a file.

    python bench/gpu.py [--stages tests steps-bf16 kernels] [--seconds 600] [--out FOLDER] [--tiny]

A stage is one measurement; those whose names begin with a word of --stages are run, the most telling first. Each has a
limit of its own and all together --seconds, after which the script stops by itself. As soon as a stage is done,
FOLDER/STAGE.json (default: bench/gpu/CARD) holds its result, seconds and provenance, or why it failed and what it said
last. A stage whose result the folder already holds, of this commit, card and PyTorch, is left out, so that the same
command goes on where it stopped. FOLDER/summary.json and the tables that are printed are made of all files there.

--tiny does the same with a small network and a quick compiler, on a CPU, too: a rehearsal, its numbers mean nothing.

All stages of one call share an empty cache of torch.compile: compile seconds are those of the stage that was first to
compile something.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from own_process import ROOT

from rga.io.json_files import write_json
from rga.io.provenance import provenance

BENCH = Path(__file__).parent
# What --tiny changes; everything else is the same.
FULL = "--batch 64 --size 256 128 --steps 20 --backbone resnet50 --backend inductor".split()
TINY = "--batch 8 --size 64 32 --steps 2 --backbone resnet18 --backend aot_eager".split()
LARGE = "--batch 64 --size 384 192 --steps 20 --backbone resnet50 --backend inductor".split()


def last_line(output: str, status: int) -> dict:
    """The JSON that a script prints last; ValueError if it has failed."""
    if status:
        raise ValueError(f"it ended with status {status}")
    return json.loads(output.splitlines()[-1])


def counts(output: str, status: int) -> dict:
    """How many tests passed, failed, …, from the lines of pytest -v; those of an interrupted run, too."""
    words = re.findall(r" (PASSED|FAILED|SKIPPED|ERROR|XFAIL)\s+\[", output)
    result = {word.lower(): words.count(word) for word in sorted({"PASSED", "FAILED", "SKIPPED", *words})}
    return result | {"status": status, "tail": output.splitlines()[-80:]}


class Stage(NamedTuple):
    """One measurement: arguments for Python, run from the repository's root, and how its output is read."""

    name: str
    limit: int  # seconds
    command: list
    read: Callable[[str, int], dict] = last_line
    partial: bool = False  # its output is read, too, where its limit ends it


def stages(tiny: bool) -> list[Stage]:
    """All of them in the order of their value. Another one: a script that prints JSON last, and its limit."""
    golden, *others = tests(tiny)
    return [golden, *steps(tiny), *kernels(tiny), *others, *compiled(tiny)]


def tests(tiny: bool) -> list[Stage]:
    """Tests that need a CUDA device: golden numbers, precisions and graphs first, what compiles after them."""
    files = [file for file in sorted((ROOT / "tests").rglob("test_*.py")) if _has_gpu_tests(file)]
    if tiny:
        files = [ROOT / "tests" / "models" / "test_rga.py"]
    command = ["-m", "pytest", "-v", "-rf", "--tb=short", "-p", "no:cacheprovider", "-m", "gpu"]
    command += [file.relative_to(ROOT) for file in files]
    chosen = {
        "golden": "not compile and not attention",
        "attention": "attention",
        "compiled": "compile and not attention",
    }
    return [
        Stage(f"tests-{name}", 90, [*command, "-k", words], counts, partial=True)
        for name, words in chosen.items()
    ]


def _has_gpu_tests(file: Path) -> bool:
    return bool(re.search(r"\bmark\.gpu\b|^@DEVICES\b", file.read_text(encoding="utf-8"), re.MULTILINE))


def step(name: str, limit: int, tiny: bool, variant: str, precision: str, mode: str, size: list) -> Stage:
    if mode == "graphs" and not torch.cuda.is_available():
        mode = "eager"
    script = ["bench/train_step.py", "--one", variant, precision, mode]
    return Stage(name, limit, [*script, *(TINY if tiny else size)])


def steps(tiny: bool) -> list[Stage]:
    """A training step and inference of each network, as train_step.py measures them."""
    order = [("bf16", "graphs", v, FULL) for v in ("plain", "rga_sc")]
    order += [("bf16", "attention", "rga_sc", FULL), ("bf16", "graphs", "tiled", FULL)]
    order += [("bf16", "attention", "tiled", FULL), ("bf16", "graphs", "literal", FULL)]
    order += [("bf16", "eager", v, FULL) for v in ("plain", "rga_sc", "literal")]
    order += [("fp32", "graphs", v, FULL) for v in ("plain", "rga_sc")]
    order += [("fp32", "attention", "rga_sc", FULL), ("fp32", "graphs", "literal", FULL)]
    order += [("fp32", "eager", v, FULL) for v in ("plain", "rga_sc", "literal")]
    order += [("bf16", "graphs", v, LARGE) for v in ("plain", "rga_sc")]
    order += [("bf16", "attention", "rga_sc", LARGE), ("bf16", "graphs", "tiled", LARGE)]
    order += [("bf16", "graphs", "literal", LARGE)]
    return [
        step(
            f"steps-{precision}{'-384' * (size is LARGE)}-{mode}-{variant}",
            180 if mode == "attention" else 60,
            *(tiny, variant, precision, mode, size),
        )
        for precision, mode, variant, size in order
    ]


def kernels(tiny: bool) -> list[Stage]:
    """Kernel by kernel, with and without RGA, in bf16."""
    options = [word if word != "20" else "5" for word in (TINY if tiny else FULL)]
    return [
        Stage(f"kernels-bf16-{mode}-{variant}", 180, ["bench/kernels.py", variant, "bf16", mode, *options])
        for mode, variant in (("eager", "plain"), ("eager", "rga_sc"), ("attention", "rga_sc"))
    ]


def compiled(tiny: bool) -> list[Stage]:
    """The whole network compiled: minutes."""
    return [
        step(f"compiled-bf16-{variant}", 240, tiny, variant, "bf16", "compiled", FULL)
        for variant in ("plain", "rga_sc", "literal")
    ]


def run(stage: Stage, seconds: float, cache: str) -> dict:
    """The entry of its file: its result, or why it failed; ends all processes that it has started."""
    command = [sys.executable, *map(str, stage.command)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    variables = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "TORCHINDUCTOR_CACHE_DIR": cache}
    entry, start, over = {"stage": stage.name, "command": stage.command}, time.perf_counter(), False
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | variables,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            over = True
        finally:  # its children, too: workers of the compiler and of tests
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        said.seek(0)
        output = said.read().replace(str(ROOT), ".")  # files are passed on: no paths of this machine
    entry["seconds"] = time.perf_counter() - start
    try:
        if over and not stage.partial:
            raise ValueError(f"it was not done after {seconds:.0f} s")
        entry["result"] = stage.read(output, process.returncode)
    except (ValueError, IndexError) as error:
        entry |= {"failed": str(error), "tail": output.splitlines()[-40:]}
    return entry


def is_done(file: Path, about: dict) -> bool:
    """Whether the file holds a result of this commit, card and PyTorch."""
    if not file.exists() or about["dirty"]:
        return False
    entry = json.loads(file.read_text(encoding="utf-8"))
    same = ("rga", "commit", "dirty", "device", "torch")
    return "result" in entry and all(entry["provenance"][key] == about[key] for key in same)


def summary(folder: Path) -> dict:
    """Milliseconds, images a second, memory and ratios of all steps in the folder; kernels that RGA adds."""
    files = [file for file in sorted(folder.glob("*.json")) if file.name != "summary.json"]
    entries = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    results = {entry["stage"]: entry for entry in entries if "result" in entry}
    rows = {}
    for name, entry in results.items():
        if name.startswith(("steps-", "compiled-")):
            group, variant = name.rsplit("-", 1)
            rows[name] = row(entry) | {"variant": variant}
            # What has nothing to compile is compared as it is.
            as_it_is = group.replace("attention", "graphs").replace("compiled-bf16", "steps-bf16-graphs")
            for other in ("plain", "literal"):
                base = results.get(f"{group}-{other}") or results.get(f"{as_it_is}-{other}")
                if base and variant != other:
                    rows[name][f"time_over_{other}"] = rows[name]["ms"] / row(base)["ms"]
                    rows[name][f"memory_over_{other}"] = rows[name]["mib"] / row(base)["mib"]
    added = {}
    plain = results.get("kernels-bf16-eager-plain", {}).get("result")
    for name, entry in results.items():
        if plain and name.startswith("kernels-") and not name.endswith("plain"):
            kinds = entry["result"]["kinds"]
            added[name] = {kind: kinds[kind]["ms"] - plain["kinds"][kind]["ms"] for kind in kinds}
            added[name]["all"] = entry["result"]["ms"] - plain["ms"]
    passed = {name: entry["result"] for name, entry in results.items() if name.startswith("tests-")}
    failed = {entry["stage"]: entry["failed"] for entry in entries if "failed" in entry}
    return {"tests": passed, "steps": rows, "kernels_added_ms": added, "failed": failed}


def row(entry: dict) -> dict:
    result, batch = entry["result"], int(entry["command"][entry["command"].index("--batch") + 1])
    seconds, inference = (sorted(result[name]) for name in ("seconds", "inference"))
    middle = {"ms": seconds, "inference_ms": inference}
    middle = {name: 1e3 * values[len(values) // 2] for name, values in middle.items()}
    quartiles = [1e3 * seconds[len(seconds) // 4], 1e3 * seconds[3 * len(seconds) // 4]]
    return middle | {
        "ms_quartiles": quartiles,
        "images_per_second": 1e3 * batch / middle["ms"],
        "inference_images_per_second": 1e3 * batch / middle["inference_ms"],
        "mib": result["peak_mib"],
        "share_of_ceiling": result["operations"] / (middle["ms"] / 1e3) / result["ceiling"],
        "compile_seconds": result["compile"],
        "compile_inference_seconds": result["compile_inference"],
    }


def show(made: dict) -> None:
    print("\n| | ms | over plain | over literal | MiB | images/s | inference images/s | compiling, s |")
    print("|---" * 8 + "|")
    for name, r in made["steps"].items():
        over = (
            f"{r[key]:.2f}" if (key := f"time_over_{other}") in r else "" for other in ("plain", "literal")
        )
        print(
            f"| {name} | {r['ms']:.2f} | {' | '.join(over)} | {r['mib']:.0f} | {r['images_per_second']:.0f} | "
            f"{r['inference_images_per_second']:.0f} | {r['compile_seconds']:.0f} |"
        )
    for name, kinds in made["kernels_added_ms"].items():
        print(f"\n{name}, ms more than plain: {', '.join(f'{kind} {ms:.2f}' for kind, ms in kinds.items())}")
    for name, result in made["tests"].items():
        print(f"{name}: {', '.join(f'{n} {word}' for word, n in result.items() if word != 'tail')}")
    for name, why in made["failed"].items():
        print(f"{name}: failed, {why}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", nargs="+", default=[""], metavar="WORD", help="how their names begin")
    parser.add_argument("--seconds", type=float, default=600, help="in all, default: 600")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: bench/gpu/CARD")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal with a small network")
    parser.add_argument(
        "--list", action="store_true", help="name the stages and their limits, and do nothing"
    )
    parser.add_argument("--commit", help="what this is a copy of, where git does not say it")
    args = parser.parse_args()
    end = time.perf_counter() + args.seconds
    every = stages(args.tiny)
    chosen = [stage for stage in every if stage.name.startswith(tuple(args.stages))]
    if not chosen:
        parser.error(f"no stage begins with {' or '.join(args.stages)}: {', '.join(s.name for s in every)}")
    if args.list:
        return print("\n".join(f"{stage.name}: at most {stage.limit} s" for stage in chosen))
    about = provenance()
    about["commit"] = about["commit"] or args.commit
    card = re.sub(r"\W+", "-", about["device"].lower()).strip("-")
    folder = args.out or BENCH / "gpu" / (card + "-tiny" * args.tiny)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        for stage in chosen:
            file = folder / f"{stage.name}.json"
            if is_done(file, about):
                print(f"{stage.name}: done before", flush=True)
                continue
            left = end - time.perf_counter()
            if left < 1:
                print(f"stopped before {stage.name}: {args.seconds:.0f} s are over")
                break
            entry = run(stage, min(stage.limit, left), cache)
            write_json(file, entry | {"tiny": args.tiny, "provenance": about})
            print(f"{stage.name}: {entry.get('failed', 'done')}, {entry['seconds']:.1f} s", flush=True)
    made = summary(folder)
    write_json(folder / "summary.json", made | {"provenance": about})
    show(made)


if __name__ == "__main__":
    main()
