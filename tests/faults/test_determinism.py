"""The same seed gives the same bits in processes that know nothing of each other."""

import json
import os
import subprocess
import sys

import torch
from helpers.everything import everything

from rga.io.paths import ROOT


def test_two_processes_started_apart_give_the_same_bits(tmp_path):
    """Another order of sets and of text in dictionaries, another folder, nothing that ran before."""
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, ROOT / "tests" / "helpers" / "everything.py", tmp_path / "elsewhere"]
    command.append(str(torch.get_num_threads()))
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    torch.rand(3)  # this one has drawn numbers before
    here = everything(tmp_path / "here")
    there = json.loads(process.communicate()[0])
    assert process.returncode == 0
    assert here == there
    assert here["first weights"] != here["weights"]
