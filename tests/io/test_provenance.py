"""Provenance: complete, and JSON."""

import json
import re

import torch

import rga
from rga.io.json_files import write_json
from rga.io.provenance import provenance


def test_provenance_is_complete_and_json(tmp_path):
    found = provenance("cpu")
    assert found["rga"] == rga.__version__ and found["torch"] == torch.__version__ and found["device"]
    assert found["commit"] is None or re.fullmatch(r"[0-9a-f]{40}", found["commit"])
    assert json.loads(write_json(tmp_path / "a.json", found).read_text(encoding="utf-8")) == found
