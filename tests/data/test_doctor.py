"""The data doctor: a healthy set has no fault, each fault is found once, and what is legal is none."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rga.data import doctor
from rga.data.samples import Sample, Splits, TrainSample


def draw(path, seed, size=(40, 20)):
    path.parent.mkdir(exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.fixture
def healthy(tmp_path):
    """Three people to train on, two to search for, a distractor; two cameras; a file of its own each."""
    seeds = iter(range(100))

    def samples(subset, pids, camids, kind=Sample):
        return tuple(
            kind(draw(tmp_path / subset / f"{pid}_{camid}.png", next(seeds)), pid, camid)
            for pid in pids
            for camid in camids
        )

    return Splits(
        "A set",
        samples("train", (0, 1, 2), (1, 2), TrainSample),
        samples("query", (7, 8), (1,)),
        samples("gallery", (0, 7, 8), (1, 2)),
        train_pids=(4, 5, 6),
        published={"train": (3, 6), "query": (2, 2), "gallery": (3, 6)},
        multi_query=samples("multi_query", (7,), (1,)),
    )


def only(report):
    (finding,) = report.findings
    return finding


def test_a_healthy_set_has_no_fault(healthy):
    quick, thorough = doctor.examine(healthy), doctor.examine(healthy, thorough=True, workers=2)
    assert quick == doctor.Report("A set", (), files=15, images=0)
    assert thorough == doctor.Report("A set", (), files=15, images=15)
    found = "A set\nno fault found in 15 images (ids, cameras, leaks, files; {})"
    assert str(quick) == found.format("no image decoded")
    assert str(thorough) == found.format("every image decoded")
    assert doctor.check(healthy) == quick


def test_the_quick_form_opens_no_file(healthy, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", None)
    assert not doctor.examine(healthy).findings


def moved(samples, **changes):
    return tuple(Sample(*sample)._replace(**changes) for sample in samples)


FAULTS = [  # error, how the splits are broken, what is then said, of how many, and the first
    (True, lambda s: {"query": (), "multi_query": (), "published": {}}, "subsets without images", 1, "query"),
    (True, lambda s: {"gallery": (), "published": {}}, "subsets without images", 1, "gallery"),
    (
        True,
        lambda s: {"train": tuple(x._replace(label=x.label + 1) for x in s.train)},
        "training labels that are not 0 … 2",
        1,
        "3",
    ),
    (
        True,
        lambda s: {"gallery": s.gallery[:-1] + moved(s.gallery[-1:], path=Path("nowhere/x.png"))},
        "files that are not there or are empty",
        1,
        "nowhere/x.png",
    ),
    (
        True,
        lambda s: {"gallery": s.gallery[:-1] + moved(s.gallery[-1:], path=s.train[0].path)},
        "images both in training and in query or gallery",
        1,
        "train/0_1.png",
    ),
    (
        True,
        lambda s: {"multi_query": moved(s.train[:1], pid=7)},
        "images both in training and in query or gallery",
        1,
        "train/0_1.png",
    ),
    (
        True,
        lambda s: {"train_pids": (4, 5, 8)},
        "identities both in training and in query or gallery",
        1,
        "8",
    ),
    (
        True,
        lambda s: {"train_pids": (4, 5)},
        "train_pids that are too many or too few",
        1,
        "2 train_pids for 3 training identities",
    ),
    (
        True,
        lambda s: {"gallery": s.gallery[:-1] + moved(s.query[1:], camid=2)},
        "query images that are in the gallery with another pid or camera",
        1,
        "query/8_1.png",
    ),
    (
        True,
        lambda s: {name: moved(getattr(s, name), camid=3) for name in ("query", "gallery")},
        "queries without a match from another camera, and there are no others",
        2,
        "query/7_1.png",
    ),
    (
        False,
        lambda s: {"gallery": tuple(x for x in s.gallery if x[1:] != (7, 2)), "published": {}},
        "queries whose only matches are from their own camera",
        1,
        "query/7_1.png",
    ),
    (
        False,
        lambda s: {"gallery": tuple(x for x in s.gallery if x.pid != 7), "published": {}},
        "queries whose person is not in the gallery",
        1,
        "query/7_1.png",
    ),
    (
        False,
        lambda s: {"published": {"train": (751, 12936), "query": (2, 2)}},
        "subsets whose counts differ from the published ones",
        1,
        "train 3 ids in 6 images instead of 751 in 12936",
    ),
    (
        False,
        lambda s: {"published": {"multi_query": (1, 5)}, "multi_query": ()},
        "subsets whose counts differ from the published ones",
        1,
        "multi_query 0 ids in 0 images instead of 1 in 5",
    ),
    (
        False,
        lambda s: {"missing": ("0009_c1", "0009_c2")},
        "images that the protocol names and the folder lacks",
        2,
        "0009_c1",
    ),
    (
        False,
        lambda s: {"train": s.train[1:], "published": {}},
        "training identities with one image only",
        1,
        "train/0_2.png",
    ),
    (
        False,
        lambda s: {"train": moved(s.train[:2], camid=1) + s.train[2:]},
        "training identities seen by one camera only",
        1,
        "train/0_1.png",
    ),
    (
        False,
        lambda s: {"train": s.train + s.train[:1], "published": {}},
        "images that are in train twice",
        1,
        "train/0_1.png",
    ),
    (
        False,
        lambda s: {"gallery": s.gallery + moved(s.gallery[:1], pid=9), "published": {}},
        "images that are in gallery as two identities",
        1,
        "gallery/0_1.png",
    ),
    (
        False,
        lambda s: {"multi_query": moved(s.multi_query, pid=9)},
        "multi-query images of people who are not in query",
        1,
        "multi_query/7_1.png",
    ),
]


@pytest.mark.parametrize("error, broken, what, count, first", FAULTS)
def test_each_fault_of_the_lists_is_found_alone(healthy, error, broken, what, count, first):
    finding = only(doctor.examine(replace(healthy, **broken(healthy))))
    assert finding[:3] == (error, what, count)
    assert finding.first[0] == first
    assert finding.advice.endswith(".")


def test_a_set_to_train_on_only_is_legal(healthy):
    alone = replace(healthy, query=(), gallery=(), multi_query=(), published={})
    assert not doctor.examine(alone).findings


def test_a_set_to_test_with_only_is_legal(healthy):
    alone = replace(healthy, train=(), train_pids=(), published={})
    assert not doctor.examine(alone).findings


def test_a_link_and_its_file_are_one_image(healthy):
    link = healthy.gallery[5].path
    link.unlink()
    link.symlink_to(healthy.train[0].path)
    finding = only(doctor.examine(healthy))
    assert finding.error and finding.first == ("train/0_1.png = gallery/8_2.png",)


def test_queries_that_are_junk_of_the_gallery_are_legal(healthy):
    """As in CUHK03's classic splits: query and gallery are the same files, with the same pid and camera."""
    everything = healthy.query + healthy.gallery[2:]
    classic = replace(healthy, query=everything, gallery=everything, published={})
    assert not doctor.examine(classic, thorough=True).findings


def test_only_a_person_of_the_same_row_of_numbers_is_an_identity(healthy):
    distractor = replace(healthy, train_pids=(0, 5, 6))
    assert not doctor.examine(distractor).findings
    person = replace(distractor, query=healthy.query + moved(healthy.train[:1], pid=0), published={})
    assert ("identities both in training and in query or gallery", 1, ("0",)) in [
        finding[1:4] for finding in doctor.examine(person).errors
    ]
    others = {7: 1, 8: 2, 0: 0}  # counted anew, as MSMT17 does
    test = {
        subset: tuple(s._replace(pid=others[s.pid]) for s in getattr(healthy, subset))
        for subset in ("query", "gallery", "multi_query")
    }
    two_rows = replace(healthy, train_pids=(), **test)
    assert not doctor.examine(two_rows).findings


def test_files_that_are_empty_or_cannot_be_read(healthy):
    empty, cut, text = (sample.path for sample in healthy.train[:3])
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:200])
    text.write_text("no image", encoding="utf-8")
    gone, unreadable = doctor.examine(healthy, thorough=True).findings
    assert only(doctor.examine(healthy)) == gone
    assert gone[:4] == (True, "files that are not there or are empty", 1, ("train/0_1.png",))
    assert unreadable[:4] == (True, "images that cannot be read", 2, ("train/0_2.png", "train/1_1.png"))


def test_when_no_image_can_be_read_all_are_found(healthy):
    for path in Path(healthy.train[0].path).parents[1].rglob("*.png"):
        path.write_bytes(b"x")
    report = doctor.examine(healthy, thorough=True)
    assert (report.files, report.images, only(report).count) == (15, 0, 15)


def test_equal_content_under_two_names(healthy):
    fresh = iter(range(1000, 1010))

    def same_content(one, other):
        other.path.write_bytes(one.path.read_bytes())
        assert not doctor.examine(healthy).findings
        finding = only(doctor.examine(healthy, thorough=True))
        draw(other.path, next(fresh))
        return finding

    train, query, gallery = healthy.train, healthy.query, healthy.gallery
    leak = same_content(train[0], gallery[5])
    assert leak.error and leak.first == ("train/0_1.png = gallery/8_2.png",)
    assert "as two identities" in same_content(train[0], train[2]).what
    twice = same_content(train[0], train[1])
    assert twice[1:4] == ("images that are in train twice", 1, ("train/0_1.png = train/0_2.png",))
    assert same_content(query[0], gallery[3]).what.startswith(
        "query images that are in the gallery with another"
    )
    assert not doctor.examine(healthy, thorough=True).findings


def test_odd_sizes(healthy):
    draw(healthy.train[0].path, 200, (31, 20))
    draw(healthy.train[1].path, 201, (40, 15))
    draw(healthy.train[2].path, 202, (40, 41))
    finding = only(doctor.examine(healthy, thorough=True))
    assert not finding.error and finding.what.startswith("images lower than 32 pixels, narrower than 16")
    assert finding.first == ("train/0_1.png 31×20", "train/0_2.png 40×15", "train/1_1.png 40×41")


def test_check_raises_all_errors_at_once_and_logs_each_warning(healthy, caplog):
    broken = replace(
        healthy, train_pids=(4, 7, 8), query=healthy.query[:0], multi_query=(), missing=tuple("abcdef")
    )
    with (
        caplog.at_level(logging.WARNING, "rga.data"),
        pytest.raises(
            ValueError, match=r"(?s)A set would .*\n✗ subsets without.*\n✗ identities both.*: 2 \(7, 8\)"
        ),
    ):
        doctor.check(broken)
    missing, counts = sorted(record.getMessage() for record in caplog.records)
    assert missing.startswith(
        "A set: images that the protocol names and the folder lacks: 6 (a, b, c, d, e, …). They"
    )
    assert counts.startswith("A set: subsets whose counts differ")
    assert {record.name for record in caplog.records} == {"rga.data"}


def test_the_report_reads_as_a_list(healthy):
    report = doctor.examine(replace(healthy, train_pids=(4, 5, 8), missing=tuple("abcdef")))
    assert str(report).splitlines() == [
        "A set",
        "1 error and 1 warning found in 15 images (ids, cameras, leaks, files; no image decoded)",
        "✗ identities both in training and in query or gallery: 1",
        "    8",
        "    → Re-identification is tested on people never seen in training: take them out of train.",
        "! images that the protocol names and the folder lacks: 6",
        "    a, b, c, d, e, …",
        "    → They were left out, as you allowed: a score on the others is not that of the set.",
    ]
    assert [*report.errors, *report.warnings] == list(report.findings)


def test_doubts_of_a_reader_are_shown_with_its_advice(healthy):
    finding = only(doctor.examine(replace(healthy, doubts=("one reason", "another", "Read so: do that."))))
    assert (
        str(finding)
        == "not sure that file names are read rightly: 2 (one reason, another). Read so: do that."
    )
    assert not finding.error


def test_one_person_in_query_or_gallery_is_suspected(healthy):
    seven = [tuple(s for s in some if s.pid == 7) for some in (healthy.query, healthy.gallery)]
    alone = replace(healthy, query=seven[0], gallery=seven[1], multi_query=(), published={})
    assert only(doctor.examine(alone))[:4] == (
        False,
        "query or gallery with one person only",
        2,
        ("query", "gallery"),
    )


def test_one_camera_for_everybody_is_a_warning_with_its_remedy(healthy):
    train, query, gallery = (moved(x, camid=1) for x in (healthy.train, healthy.query, healthy.gallery))
    train = tuple(TrainSample(*sample) for sample in train)
    one = replace(healthy, train=train, query=query, gallery=gallery, multi_query=(), published={})
    for some in (one, replace(one, query=())):
        report = doctor.examine(some)
        assert not report.errors
        (finding,) = (f for f in report.warnings if f.what == "one camera for everybody")
        assert "a camid of its own" in finding.advice and "Evaluation does not" in finding.advice
    assert doctor.examine(
        replace(one, train=(), train_pids=())
    ).errors  # nothing to train on, nothing to score


def test_leaks_are_named_by_the_texts_of_their_ids(healthy):
    broken = replace(healthy, train_pids=(4, 7, 8), names={7: "anna", 8: "zo\udce9"})
    assert only(doctor.examine(broken)).first == ("anna", r"zo\xe9")
