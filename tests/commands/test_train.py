"""python -m rga train: a run from its options to its files, in one process and in two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rga.__main__ import main
from rga.runs.recipes import Recipe

SMALL = "--size 64x32 -p 4 -k 2 --epochs 2 --precision fp32 --attention none".split()


def arguments(cuhk03, *more):
    return ["train", "--dataset", "cuhk03", "--root", str(cuhk03), *SMALL, *more]


def test_trains_and_reports(cuhk03, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments(cuhk03, "--out", "run", "--evaluate-every", "1", "--keep", "2")) == 0
    out = capsys.readouterr().out
    report = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "after the neck  | rank-1" in out and "chance: rank-1" in out
    assert report["settings"]["size"] == [64, 32] and report["settings"]["out"].endswith("/run")
    assert list(json.loads((tmp_path / "run" / "scores.json").read_text())) == ["1", "2"]
    assert {"checkpoint.pt", "best.pt", "log.csv"} <= {file.name for file in (tmp_path / "run").iterdir()}


def test_resumes(cuhk03, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(arguments(cuhk03, "--out", out, "--resume", "true")) == 1
    assert "found none" in capsys.readouterr().err
    for _ in range(2):
        assert main(arguments(cuhk03, "--out", out, "--resume", "auto")) == 0
    assert "step 2/" not in capsys.readouterr().out.split("wrote")[1]  # the second run has nothing left to do


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attention", "rga"], "unknown attention 'rga': choose one of none"),
        (["-p", "1"], "p must be a whole number of at least 2"),
        (["--size", "64"], "size must be"),
    ],
)
def test_impossible_values(options, message, capsys):
    assert main(["train", *options]) == 1
    assert message in capsys.readouterr().err


def test_help_explains_every_field(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    for name in Recipe.__dataclass_fields__:
        assert name == "profile" or f"--{name.replace('_', '-')}" in out
    assert "identities in a batch" in out


@pytest.mark.filterwarnings("ignore")
def test_two_processes_of_torchrun(cuhk03, tmp_path):
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "rga"]
    out = tmp_path / "run"
    done = subprocess.run(
        [*run, *arguments(cuhk03, "--out", str(out), "--sync-norm", "--gather")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},  # there may be one GPU, which is not enough for two
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("after the neck") == 1  # the first alone prints
    assert json.loads((out / "metrics.json").read_text())["processes"] == 2
