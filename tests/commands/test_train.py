"""python -m rga train: a run from its options to its files, in one process and in two."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rga import data, runs
from rga.__main__ import main
from rga.runs.recipes import Recipe
from rga.training.checkpoint import load_model

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


def test_backbones_of_timm(cuhk03, tmp_path, capsys):
    pytest.importorskip("timm")
    run = arguments(cuhk03, "--out", str(tmp_path / "run"), "--epochs", "1")
    assert main([*run, "--backbone", "timm/resnet10t"]) == 0
    assert load_model(tmp_path / "run" / "checkpoint.pt").config["backbone"] == "timm/resnet10t"
    capsys.readouterr()
    assert main([*run, "--backbone", "timm/resnet10x", "--root", str(tmp_path / "absent")]) == 1
    assert "unknown backbone 'timm/resnet10x'" in capsys.readouterr().err  # before the data are looked for


def test_resumes(cuhk03, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(arguments(cuhk03, "--out", out, "--resume", "true")) == 1
    assert "found none" in capsys.readouterr().err
    for _ in range(2):
        assert main(arguments(cuhk03, "--out", out, "--resume", "auto")) == 0
    assert "step 2/" not in capsys.readouterr().out.split("wrote")[1]  # the second run has nothing left to do


def test_another_run_is_not_replaced(cuhk03, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(arguments(cuhk03, "--out", out)) == 0
    assert main(arguments(cuhk03, "--out", out, "--epochs", "1")) == 1
    assert "epochs 2 there, 1 here" in capsys.readouterr().err
    assert main(arguments(cuhk03, "--out", out, "--epochs", "1", "--overwrite")) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["settings"]["epochs"] == 1


def test_like_repeats_a_run_to_the_last_digit(cuhk03, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rga.io.provenance._git", lambda *_: None)  # there may be uncommitted changes
    assert main(arguments(cuhk03, "--out", "one", "--seed", "3", "--lr", "0.001")) == 0
    assert main(["train", "--like", "one/metrics.json", "--out", "two"]) == 0
    out, err = capsys.readouterr()
    assert "the same to the last digit" in out and "but for" not in out and "may differ" not in err
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert one["settings"] | {"out": ""} == two["settings"] | {"out": ""}
    same = ("after_neck", "before_neck", "last_loss")
    assert [one[name] for name in same] == [two[name] for name in same]


def test_like_with_other_options_says_so_and_keeps_the_earlier_run(cuhk03, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments(cuhk03, "--out", "one")) == 0
    before = (tmp_path / "one" / "metrics.json").read_bytes()
    like = ["train", "--like", "one/metrics.json", "--epochs", "1"]
    assert main([*like, "--out", "one", "--overwrite"]) == 1
    assert "one is the folder of the earlier run, which is to stay" in capsys.readouterr().err
    assert main([*like, "--out", "two"]) == 0
    out = capsys.readouterr().out
    assert "like one/metrics.json, but for epochs 2 there, 1 here\n" in out
    assert "beside one/metrics.json: rank-1 " in out and "not the same" in out
    assert (tmp_path / "one" / "metrics.json").read_bytes() == before


def test_like_takes_the_place_of_a_named_recipe(tmp_path, capsys):
    assert main(["train", "quick", "--like", "metrics.json"]) == 1
    assert "leave out 'quick', or --like" in capsys.readouterr().err
    assert main(["train", "--like", str(tmp_path)]) == 1
    assert f"expected the metrics.json or settings.json of a run at {tmp_path}" in capsys.readouterr().err


def test_without_test_people_there_is_a_network_and_a_report(cuhk03, tmp_path, capsys, monkeypatch):
    load = data.load
    monkeypatch.setattr(data, "load", lambda *a, **o: replace(load(*a, **o), query=(), gallery=()))
    assert main(arguments(cuhk03, "--out", str(tmp_path), "--evaluate-every", "1")) == 0
    out = capsys.readouterr().out
    assert out.index("nobody to test with") < out.index("step 1/")
    assert "after_neck" not in json.loads((tmp_path / "metrics.json").read_text())


def test_an_evaluation_that_fails_says_that_the_training_is_saved(cuhk03, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise ValueError("a broken image.")

    with monkeypatch.context() as patch:
        patch.setattr(runs, "test", fail)
        assert main(arguments(cuhk03, "--out", str(tmp_path))) == 1
    assert "a broken image.\nThe evaluation failed, the training did not" in capsys.readouterr().err
    assert not (tmp_path / "metrics.json").exists()
    assert main(arguments(cuhk03, "--out", str(tmp_path), "--resume", "true")) == 0
    assert "after_neck" in json.loads((tmp_path / "metrics.json").read_text())


def run_elsewhere(command, preexec):
    return subprocess.Popen(
        [sys.executable, "-m", "rga", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=preexec,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
    )


def test_a_background_job_told_to_stop_is_not_reported_as_done(cuhk03, tmp_path):
    command = arguments(cuhk03, "--epochs", "5000", "--out", str(tmp_path))
    process = run_elsewhere(command, lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    while process.poll() is None and not (tmp_path / "log.csv").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "stopped after step" in process.communicate()[1] and process.returncode == 130
    assert (tmp_path / "checkpoint.pt").exists() and not (tmp_path / "metrics.json").exists()


def test_a_full_disk_is_said_in_one_line(cuhk03, tmp_path):
    """A limit on the size of files, which is told of in the same way."""
    resource = pytest.importorskip("resource")
    command = arguments(cuhk03, "--epochs", "1", "--out", str(tmp_path))
    process = run_elsewhere(command, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)))
    err = process.communicate()[1]
    said = "[Errno 27] File too large: make room, or write elsewhere: "
    assert err.endswith(f"\n{said}'{tmp_path / 'checkpoint.pt'}'\n") and "Traceback" not in err
    assert process.returncode == 1 and not (tmp_path / ".checkpoint.pt.part").exists()


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


def test_compile_is_a_switch_and_takes_a_word(monkeypatch):
    given = []
    monkeypatch.setattr(
        "rga.commands.train.get_recipe", lambda profile, **options: given.append(options) or 1 / 0
    )
    for option in ("--compile", "--no-compile", "--compile=attention"):
        with pytest.raises(ZeroDivisionError):
            main(["train", option, "fast"])
    assert given == [{"compile": True}, {"compile": False}, {"compile": "attention"}]


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
