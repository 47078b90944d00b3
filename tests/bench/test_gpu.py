"""bench/gpu.py, rehearsed: stages leave files, what is done is left out, and time is kept."""

import json
import os
import subprocess
import sys

import pytest

from rga.io.paths import ROOT


def rehearse(out, *options):
    command = [sys.executable, ROOT / "bench" / "gpu.py", "--tiny", "--out", out, *options]
    variables = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_stage_leaves_its_file(tmp_path):
    said = rehearse(tmp_path, "--stages", "steps-bf16-graphs-plain", "kernels-bf16-eager-plain")
    assert "steps-bf16-graphs-plain: done" in said
    step = json.loads((tmp_path / "steps-bf16-graphs-plain.json").read_text())
    assert len(step["result"]["seconds"]) == 2 and step["tiny"] and step["provenance"]["torch"]
    kernels = json.loads((tmp_path / "kernels-bf16-eager-plain.json").read_text())["result"]
    assert sum(kind["ms"] for kind in kernels["kinds"].values()) == pytest.approx(kernels["ms"])
    assert kernels["kinds"]["convolutions"]["ms"] > 0
    row = json.loads((tmp_path / "summary.json").read_text())["steps"]["steps-bf16-graphs-plain"]
    assert abs(row["images_per_second"] * row["ms"] - 8000) < 1e-6


def test_time_is_kept_and_what_failed_is_written(tmp_path):
    said = rehearse(tmp_path, "--seconds", "2", "--stages", "steps-bf16-graphs-rga_sc", "kernels")
    assert "stopped before kernels-bf16-eager-plain: 2 s are over" in said
    entry = json.loads((tmp_path / "steps-bf16-graphs-rga_sc.json").read_text())
    assert "result" not in entry and "it was not done after" in entry["failed"]


def test_what_is_done_is_left_out(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    import gpu

    about = {"rga": "1", "commit": "c", "dirty": False, "device": "card", "torch": "2"}
    file = tmp_path / "steps.json"
    assert not gpu.is_done(file, about)
    for entry, dirty, expected in (
        ("result", False, True),
        ("result", True, False),
        ("failed", False, False),
    ):
        file.write_text(json.dumps({entry: {}, "provenance": about}))
        assert gpu.is_done(file, about | {"dirty": dirty}) is expected
    file.write_text(json.dumps({"result": {}, "provenance": about}))
    assert not gpu.is_done(file, about | {"device": "another card"})
