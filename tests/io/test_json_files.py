"""JSON files: plain forms, and written atomically."""

import json
import os

import numpy as np
import pytest
import torch

from rga.io.json_files import write_json


def test_write_json_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "metrics.json"
    write_json(path, {"cmc": np.array([0.5]), "n": np.int64(3), "t": torch.tensor([1]), "path": path.parent})
    stored = path.read_text(encoding="utf-8")
    assert json.loads(stored) == {"cmc": [0.5], "n": 3, "t": [1], "path": path.parent.as_posix()}
    with pytest.raises(TypeError, match="cannot write a object"):
        write_json(path, object())
    assert path.read_text(encoding="utf-8") == stored
    assert [p.name for p in path.parent.iterdir()] == ["metrics.json"]


def test_write_json_leaves_nothing_where_it_fails(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError):
        write_json(tmp_path / "a.json", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_two_may_write_at_once(tmp_path, monkeypatch):
    replace = os.replace

    def late(temporary, path):
        monkeypatch.setattr(os, "replace", replace)
        write_json(path, "other")  # between this one's writing and renaming
        replace(temporary, path)

    monkeypatch.setattr(os, "replace", late)
    path = write_json(tmp_path / "a.json", "one")
    assert json.loads(path.read_text(encoding="utf-8")) == "one"


def test_file_names_that_are_no_text_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9 \xc3\xa9.jpg")
    path = write_json(tmp_path / "a.json", {"path": name})
    assert json.loads(path.read_text(encoding="utf-8")) == {"path": name}
