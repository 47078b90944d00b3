"""Run → Run All Cells in every notebook, as a student would: `make test-browser`, minutes."""

import time

import pytest
from helpers.jupyterlab import check_run_all

from rga.course.copies import STORED

LONGEST = 1800  # seconds


@pytest.mark.parametrize("name", sorted(path.name for path in STORED.glob("*.ipynb")))
def test_run_all(lab, work, name):
    lab.open(f"{work.name}/{name}")
    start = time.monotonic()
    seen = check_run_all(lab, LONGEST)
    print(f"{name}: {time.monotonic() - start:.0f} s, {len(seen['figures'])} figures")
