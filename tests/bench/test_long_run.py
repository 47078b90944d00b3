"""The figures of long runs in docs/training.md are those that bench/long_run.py measured."""

import json

from rga.io.paths import ROOT


def test_the_figures_in_docs():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    measured = json.loads((ROOT / "bench" / "long_run.json").read_text(encoding="utf-8"))
    results = measured["results"]
    for part, name in {
        "files": "files only",
        "tensorboard": "and TensorBoard",
        "workers": "and 2 workers",
    }.items():
        used = results[part]["usage"]
        handles, threads = ({*used[what]} for what in ("handles", "threads"))
        assert len(handles) == len(threads) == 1  # flat
        assert {*used["checkpoints"][2:]} == {1 + measured["settings"]["keep"]}
        row = f"| {name} | {results[part]['epochs']} | {results[part]['kib_per_epoch']:.2f} KiB an epoch | "
        assert row + f"{handles.pop()}, flat | {threads.pop()}, flat | 4, flat |" in page
    for part in ("closed", "killed"):
        assert results[part]["same_bits"] and results[part]["restarts"] == 50
    assert f"holds {results['closed']['kib_per_restart']:.2f} KiB more" in page
    assert f"a log takes {measured['log_bytes_per_step']:.0f} bytes" in page
    assert f"and {results['files']['checkpoint_bytes_per_step']:.0f} in the file" in page
