"""Samples and splits as values."""

import dataclasses

from rga.data.samples import Sample, Splits, TrainSample


def test_splits_count_and_print():
    def some(pids, camids):
        return tuple(Sample(None, pid, camid) for pid in pids for camid in camids)

    splits = Splits("Some set", some(range(3), (1, 2)), some((70, 80), (1,)), some((70, 80, 90), (1, 2, 6)))
    assert splits.num_pids == 3
    assert str(splits).splitlines() == [
        "Some set",
        "subset   |   ids | images | cameras",
        "train    |     3 |      6 |       2",
        "query    |     2 |      2 |       1",
        "gallery  |     3 |      9 |       3",
    ]
    assert str(dataclasses.replace(splits, missing=("a", "b"))).endswith("\nmissing  | 2 images: a, b")
    many = dataclasses.replace(splits, missing=tuple("abcdefgh"))
    assert str(many).endswith("\nmissing  | 8 images: a, b, c, d, e, …")


def test_splits_of_nothing():
    assert Splits("empty", (), (), ()).num_pids == 0


def test_a_training_samples_label_is_its_pid_too():
    assert TrainSample("a", 3, 1).pid == 3 and TrainSample("a", 3, 1) == Sample("a", 3, 1)


def test_train_pids_were_called_labels():
    assert Splits("some set", (), (), (), train_pids=(4, 7)).labels == (4, 7)
