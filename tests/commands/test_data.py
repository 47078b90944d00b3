"""python -m rga prepare and list: what they print, where, and the exit status."""

import inspect
from dataclasses import replace

from rga import data
from rga.__main__ import main
from rga.data import doctor


def test_prepare_prints_splits_and_report(cuhk03, capsys):
    assert main(["prepare", "cuhk03", str(cuhk03), "--boxes", "detected"]) == 0
    out = capsys.readouterr().out
    splits = data.load("cuhk03", cuhk03, boxes="detected")
    assert str(splits) in out
    assert str(doctor.examine(splits, thorough=True)) in out
    assert "every image decoded" in out


def test_prepare_quick_decodes_nothing(cuhk03, capsys):
    data.load("cuhk03", cuhk03).train[0].path.write_bytes(b"no image")
    assert main(["prepare", "cuhk03", str(cuhk03), "--quick"]) == 0
    assert "no image decoded" in capsys.readouterr().out


def test_prepare_fails_with_the_reason_and_no_traceback(cuhk03, tmp_path, capsys):
    assert main(["prepare", "cuhk03", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert main(["prepare", "cuhk03", str(cuhk03), "--boxes", "both"]) == 1
    assert "no boxes 'both'. Choose from: labeled, detected" in capsys.readouterr().err


def test_prepare_lists_every_fault_whatever_the_first_is(cuhk03, capsys):
    one, other, *_ = (sample.path for sample in data.load("cuhk03", cuhk03).train)
    one.write_bytes(b"")
    other.write_bytes(b"no image")
    assert main(["prepare", "cuhk03", str(cuhk03)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("CUHK03 (labeled, new protocol)\nsubset") and "has errors" in err
    assert "✗ files that are not there or are empty: 1" in out and "✗ images that cannot be read: 1" in out


def test_prepare_allows_missing_images_and_says_it_once(cuhk03, capsys, caplog):
    gone = data.load("cuhk03", cuhk03).train[0].path
    gone.unlink()
    (cuhk03 / "cuhk-03.mat").unlink()
    arguments = ["prepare", "cuhk03", str(cuhk03), "--quick"]
    assert main(arguments) == 1
    assert gone.stem in capsys.readouterr().err
    caplog.clear()
    assert main([*arguments, "--allow-missing"]) == 0
    out, err = capsys.readouterr()
    assert out.count(gone.stem) == 2 and gone.stem not in err  # in the table of splits and in the report
    assert not caplog.records


def test_prepare_compares_counts_with_the_published_ones(cuhk03, capsys, monkeypatch):
    def load(root):
        """A set."""
        published = {"train": (5, 20), "query": (700, 1400)}
        return replace(data.cuhk03.load(root), published=published)

    monkeypatch.setitem(data.DATASETS, "cuhk03", load)
    assert main(["prepare", "cuhk03", str(cuhk03), "--quick"]) == 0
    out = capsys.readouterr().out
    assert "\ntrain    | as published\nquery    | published: 700 ids, 1400 images\n" in out


def test_list_names_data_sets_and_options(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::2]] == list(data.DATASETS)
    assert lines[0] == f"{'cuhk03':<12}{inspect.getdoc(data.cuhk03.load).splitlines()[0]}"
    assert lines[1].split()[:3] == ["ROOT", "--boxes", "--protocol"]
