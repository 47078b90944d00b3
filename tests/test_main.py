"""The command line: what it prints, where, and its exit status."""

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import tiny_cuhk03 as tiny

from rga import __main__ as command
from rga import data
from rga.data import doctor


@pytest.fixture
def root(tmp_path):
    return tiny.write_all(tmp_path / "cuhk03")


def test_prepare_prints_splits_and_report(root, capsys):
    assert command.main(["prepare", "cuhk03", str(root), "--boxes", "detected"]) == 0
    out = capsys.readouterr().out
    splits = data.load("cuhk03", root, boxes="detected")
    assert str(splits) in out
    assert str(doctor.examine(splits, thorough=True)) in out
    assert "every image decoded" in out


def test_prepare_quick_decodes_nothing(root, capsys):
    assert command.main(["prepare", "cuhk03", str(root), "--quick"]) == 0
    assert "no image decoded" in capsys.readouterr().out


def test_prepare_fails_with_the_reason_and_no_traceback(root, tmp_path, capsys):
    assert command.main(["prepare", "cuhk03", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert command.main(["prepare", "cuhk03", str(root), "--boxes", "both"]) == 1
    assert "no boxes 'both'. Choose from: labeled, detected" in capsys.readouterr().err


def test_prepare_fails_on_images_that_cannot_be_read(root, capsys):
    splits = data.load("cuhk03", root)
    splits.train[0].path.write_bytes(b"no image")
    arguments = ["prepare", "cuhk03", str(root)]
    assert command.main(arguments) == 1
    out, err = capsys.readouterr()
    assert "✗ images that cannot be read: 1" in out and "has errors" in err
    assert command.main([*arguments, "--quick"]) == 0


def test_prepare_lists_every_fault_whatever_the_first_is(root, capsys):
    one, other, *_ = (sample.path for sample in data.load("cuhk03", root).train)
    one.write_bytes(b"")
    other.write_bytes(b"no image")
    assert command.main(["prepare", "cuhk03", str(root)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("CUHK03 (labeled, new protocol)\nsubset") and "has errors" in err
    assert "✗ files that are not there or are empty: 1" in out and "✗ images that cannot be read: 1" in out


def test_prepare_allows_missing_images_and_says_it_once(root, capsys, caplog):
    gone = data.load("cuhk03", root).train[0].path
    gone.unlink()
    (root / "cuhk-03.mat").unlink()
    arguments = ["prepare", "cuhk03", str(root), "--quick"]
    assert command.main(arguments) == 1
    assert gone.stem in capsys.readouterr().err
    caplog.clear()
    assert command.main([*arguments, "--allow-missing"]) == 0
    out, err = capsys.readouterr()
    assert out.count(gone.stem) == 2 and gone.stem not in err  # in the table of splits and in the report
    assert not caplog.records


def test_prepare_compares_counts_with_the_published_ones(root, capsys, monkeypatch):
    def load(root):
        """A set."""
        published = {"train": (5, 20), "query": (700, 1400)}
        return replace(data.cuhk03.load(root), published=published)

    monkeypatch.setitem(data.DATASETS, "cuhk03", load)
    assert command.main(["prepare", "cuhk03", str(root), "--quick"]) == 0
    out = capsys.readouterr().out
    assert "\ntrain    | as published\nquery    | published: 700 ids, 1400 images\n" in out


def test_every_kind_of_option_reaches_the_data_set(tmp_path, monkeypatch):
    seen = {}

    def load(
        root: str | Path | None = None,
        boxes: str = "100 %",
        split: int | None = None,
        share: float = 0.5,
        identities: tuple[int, int] = (3, 4),
        allow_missing: bool = False,
        masks: bool = True,
        pattern: str | None = None,
    ) -> data.Splits:
        """A set, 100 % of it."""
        seen.update({name: value for name, value in locals().items() if name != "seen"})
        return data.Splits("empty", (), (), ())

    monkeypatch.setitem(data.DATASETS, "fake", load)
    options = "--split 3 --share 0.25 --identities 5 6 --allow-missing --no-masks --pattern x".split()
    status = command.main(["prepare", "fake", "there", "--boxes", "detected", *options])
    assert status == 1  # for it has no images
    expected = {"root": "there", "boxes": "detected", "split": 3, "share": 0.25, "identities": (5, 6)}
    assert seen == expected | {"allow_missing": True, "masks": False, "pattern": "x"}
    command.main(["prepare", "fake"])
    assert seen == {name: option.default for name, option in inspect.signature(load).parameters.items()}


def test_every_data_set_explains_itself(capsys):
    for name, load in data.DATASETS.items():
        with pytest.raises(SystemExit, match="0"):
            command.main(["prepare", name, "--help"])
        out = capsys.readouterr().out
        for option in set(inspect.signature(load).parameters) - {"root"}:
            assert f"--{option.replace('_', '-')}" in out


def test_list_names_data_sets_and_options():
    run = [sys.executable, "-m", "rga", "list"]
    done = subprocess.run(run, cwd=Path(data.__file__).parents[2], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[::2]] == list(data.DATASETS)
    assert lines[0] == f"{'cuhk03':<12}{inspect.getdoc(data.cuhk03.load).splitlines()[0]}"
    assert lines[1].split()[:3] == ["ROOT", "--boxes", "--protocol"]
    assert not done.stderr


@pytest.mark.parametrize(
    "arguments", ["", "prepare", "prepare cuhk3 x", "prepare cuhk03", "prepare cuhk03 x --box y"]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments.split())
    assert "usage: python -m rga" in capsys.readouterr().err
