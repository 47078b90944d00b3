"""Tables of an ablation: what recorded runs say, with intervals over seeds, beside the paper's numbers.

Results are those of `rga.runs.ablation` {SET-VARIANT-SEED: result}. A variant is an attention, or "oracle", and
settings that differ, as in rga_sc@stages=23. Whatever is not there is "not recorded".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from rga.course.paper_tables import PAPER
from rga.metrics import Interval, paired_interval, t_interval

Results = Mapping[str, dict]
SETS = {
    "default": "drawn people",
    "occluded": "occluded",
    "uniform": "in uniform",
    "crowd": "in a crowd",
    "cued place": "cued digits, place",
    "cued colour": "cued digits, colour",
    "cuhk03": "CUHK03 pair 1",
}
MISSING = "not recorded"


def read_cued(file: str | Path) -> dict[str, dict]:
    """The test runs of results/cued_digits.json under the names of an ablation, sets "cued place" and "cued colour"."""
    file = Path(file)
    runs = json.loads(file.read_text(encoding="utf-8"))["runs"] if file.exists() else []
    tested = [run for run in runs if run["split"] == "test"]
    return {f"cued {run['cue']}-{run['attention']}-{run['seed']}": run | run["score"] for run in tested}


def scores(results: Results, people: str, variant: str, score: str | None = None) -> dict[int, float]:
    """{seed: score} of the runs of a variant; a run that ended in an error has none. None: mAP, else accuracy."""
    found = {}
    for name, result in results.items():
        start, _, seed = name.rpartition("-")
        if start == f"{people}-{variant}" and "error" not in result:
            key = score or ("mAP" if "mAP" in result else "accuracy")
            if key in result:
                found[int(seed)] = result[key]
    return found


def failures(results: Results, people: str, variant: str) -> int:
    """How many runs of a variant ended in an error, such as a loss of NaN."""
    return sum(
        name.rpartition("-")[0] == f"{people}-{variant}" and "error" in r for name, r in results.items()
    )


def plain(variant: str, name: str = "none") -> str:
    """What a variant is compared with: no attention (or `name`), trained for as many epochs."""
    epochs = [change for change in variant.partition("@")[2].split() if change.startswith("epochs=")]
    return "@".join([name, *epochs])


def gain(
    results: Results, people: str, variant: str, over: str = "none", score: str | None = None
) -> Interval | None:
    """The difference to no attention (or to `over`), paired by seed; None with fewer than two common seeds."""
    ours = scores(results, people, variant, score)
    theirs = scores(results, people, plain(variant, over), score)
    return paired_interval(ours, theirs) if len(ours.keys() & theirs.keys()) > 1 else None


def share(part: Interval | None, whole: Interval | None) -> float:
    """Of what the oracle gains, the share that an attention gains: NaN unless the oracle's interval is above 0."""
    return part.value / whole.value if part and whole and whole.low > 0 else float("nan")


def verdict(interval: Interval | None) -> str:
    if interval is None:
        return MISSING
    return "better" if interval.low > 0 else "worse" if interval.high < 0 else "cannot tell"


def ours(values: Iterable[float]) -> str:
    """The mean of runs in %, ± half of its 95 % interval."""
    values = list(values)
    if len(values) > 1:
        return plus_minus(t_interval(values)).removeprefix("+")
    return f"{100 * values[0]:.1f} (one)" if values else MISSING


def plus_minus(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{100 * interval.value:+.1f} ± {50 * (interval.high - interval.low):.1f}".replace("-", "−")


def compare(results: Results, people: str, variants: Sequence[str], over: str = "none") -> str:
    """The variants on one set: rank-1, mAP, the difference to `over`, what that permits to say; beside it the paper.

    What has neither a run nor a number of the paper is named below the table.
    """
    head = ["attention", "seeds", "rank-1", "mAP", f"mAP − {over}", "verdict", "paper: rank-1 / mAP (− none)"]
    body, missing = [], []
    for variant in variants:
        found = scores(results, people, variant)
        if not found and variant not in PAPER:
            missing.append(variant)
            continue
        failed = failures(results, people, variant)
        row = [variant, f"{len(found)}" + (f", {failed} failed" if failed else "")]
        row += [ours(scores(results, people, variant, "rank1").values()), ours(found.values())]
        difference = None if variant == plain(variant, over) else gain(results, people, variant, over)
        row += [plus_minus(difference), verdict(difference) if difference else ""]
        there = PAPER.get(variant)
        minus = there[1] - PAPER["none"][1] if there else 0
        row.append(
            f"{there[0]:.1f} / {there[1]:.1f}" + (f" ({minus:+.1f})" if minus else "") if there else ""
        )
        body.append(row)
    kept = [i for i in range(len(head)) if i < 6 or any(row[i] for row in body)]
    table = [markdown([head[i] for i in kept], [[row[i] for i in kept] for row in body])] if body else []
    return "\n".join(table + [f"{MISSING}: {', '.join(missing)}"] * bool(missing))


def all_sets(results: Results, variants: Sequence[str], sets: Mapping[str, str] = SETS) -> str:
    """Every set, one below the other: the score without attention, and every variant's gain over it."""
    head = ["set", "none", *variants]
    body = []
    for people, words in sets.items():
        gains = [plus_minus(gain(results, people, variant)) for variant in variants]
        body.append([words, ours(scores(results, people, "none").values()), *gains])
    return markdown(head, body)


def source(results: Results, people: str | None = None) -> str:
    """Where the numbers come from: device, days and commits of the runs (of one set)."""
    named = [r for name, r in results.items() if not people or name.startswith(f"{people}-")]
    made = [r["provenance"] for r in named if "provenance" in r]
    if not made:
        return MISSING
    devices = sorted({provenance["device"] for provenance in made})
    days = sorted({provenance["time"][:10] for provenance in made})
    commits = sorted({(provenance["commit"] or "no commit")[:7] for provenance in made})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"recorded on {', '.join(devices)}, {span}, commit {', '.join(commits)}, {len(made)} runs"


def where(results: Results, people: str, variants: Sequence[str]) -> list[dict]:
    """Of every run of a set: its mAP and where its maps lie, as shares of the map: {"person", "others", "area", …}.

    "features" is scored for every network; "gates" is the mean over the stages, for spatial attentions only.
    """
    found = []
    for variant in variants:
        for seed, score in scores(results, people, variant).items():
            maps = results[f"{people}-{variant}-{seed}"].get("attention") or {}
            gates = [scored for name, scored in maps.items() if name.startswith("stage")]
            mean = {key: float(np.mean([gate[key] for gate in gates])) for key in (gates[0] if gates else ())}
            found.append({"variant": variant, "seed": seed, "mAP": score, "gates": mean} | maps)
    return found


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table that reads well as text, too: columns are as wide as their longest entry."""
    table = [list(head), *map(list, body)]
    widths = [max(3, *(len(row[i]) for row in table)) for i in range(len(head))]
    table.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in table
    )
