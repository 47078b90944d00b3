"""Tables of an ablation say what runs show, what they do not, and what was not recorded."""

import json
import math

import pytest

from rga.course import paper_tables, tables
from rga.models import ATTENTION

PROVENANCE = {"device": "a chip", "time": "2026-11-27T12:00:00Z", "commit": "0123456789"}


def result(mAP, **more):
    return {"mAP": mAP, "rank1": mAP + 0.01, "provenance": PROVENANCE} | more


SCORES = {"none": (0.50, 0.52, 0.51), "rga_s": (0.53, 0.56, 0.54), "oracle": (0.60, 0.61, 0.63), "se": (0.5,)}
RESULTS = {
    f"crowd-{name}-{seed}": result(score)
    for name, values in SCORES.items()
    for seed, score in enumerate(values)
}
RESULTS |= {f"crowd-none@epochs=60-{seed}": result(0.7 + seed / 100) for seed in range(2)}
RESULTS |= {f"crowd-rga_s@epochs=60 stages=2-{seed}": result(0.7) for seed in range(2)}
RESULTS["crowd-se-1"] = {"settings": {}, "error": "the loss is NaN"}


def test_scores_by_seed_without_failed_runs():
    assert tables.scores(RESULTS, "crowd", "none") == {0: 0.50, 1: 0.52, 2: 0.51}
    assert tables.scores(RESULTS, "crowd", "rga_s", "rank1")[2] == pytest.approx(0.55)
    assert tables.scores(RESULTS, "crowd", "se") == {0: 0.5}
    assert tables.scores(RESULTS, "default", "none") == {}
    assert tables.failures(RESULTS, "crowd", "se") == 1


def test_a_gain_is_over_as_many_epochs_and_paired():
    assert tables.gain(RESULTS, "crowd", "rga_s").value == pytest.approx(0.1 / 3)
    assert tables.gain(RESULTS, "crowd", "rga_s@epochs=60 stages=2").value == pytest.approx(-0.005)
    assert tables.gain(RESULTS, "crowd", "se") is None


def test_a_share_needs_something_to_share():
    part, whole = (tables.gain(RESULTS, "crowd", name) for name in ("rga_s", "oracle"))
    assert tables.share(part, whole) == pytest.approx(0.1 / 0.31)
    assert math.isnan(tables.share(part, None))
    assert math.isnan(tables.share(part, tables.gain(RESULTS, "crowd", "none@epochs=60")))


def test_the_table_says_runs_paper_and_verdict():
    rows = tables.compare(RESULTS, "crowd", ("none", "rga_s", "se", "snl", "rga_sc@stages=2")).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[2:-1]]
    assert cells[0] == ["none", "3", "52.0 ± 2.5", "51.0 ± 2.5", "", "", "73.8 / 69.0"]
    assert cells[1][:2] + cells[1][5:] == ["rga_s", "3", "better", "79.3 / 74.7 (+5.7)"]
    assert cells[2][:4] == ["se", "1, 1 failed", "51.0 (one)", "50.0 (one)"]
    assert cells[3][2:4] == ["not recorded", "not recorded"]
    assert rows[-1] == "not recorded: rga_sc@stages=2"
    assert len({len(row) for row in rows[:-1]}) == 1


def test_all_sets_in_one_table():
    table = tables.all_sets(RESULTS, ("oracle", "rga_s"))
    assert "| in a crowd          | 51.0 ± 2.5" in table and "+10.3 ± " in table
    assert table.count("not recorded") == len(tables.SETS) - 1


def test_where_numbers_come_from():
    assert tables.source(RESULTS, "crowd").startswith("recorded on a chip, 2026-11-27, commit 0123456, ")
    assert tables.source(RESULTS, "uniform") == "not recorded"


def test_where_runs_look():
    maps = {"features": {"person": 0.4}, "stage 1": {"person": 0.2}, "stage 2": {"person": 0.4}}
    results = {"crowd-rga_s-0": result(0.5, attention=maps), "crowd-se-0": result(0.6, attention={})}
    first, second = tables.where(results, "crowd", ("rga_s", "se"))
    assert first["gates"] == {"person": pytest.approx(0.3)} and first["features"] == {"person": 0.4}
    assert second == {"variant": "se", "seed": 0, "mAP": 0.6, "gates": {}}


def test_cued_digits_are_read_as_sets(tmp_path):
    assert tables.read_cued(tmp_path / "none.json") == {}
    run = {"cue": "place", "attention": "rga_s", "seed": 1, "split": "test", "score": {"accuracy": 0.9}}
    (tmp_path / "cued.json").write_text(json.dumps({"runs": [run, run | {"split": "validation"}]}))
    found = tables.read_cued(tmp_path / "cued.json")
    assert tables.scores(found, "cued place", "rga_s") == {1: 0.9}


def test_the_paper_names_attentions_that_exist():
    assert paper_tables.PAPER.keys() | paper_tables.PARAMETERS.keys() <= ATTENTION.keys()
