"""`@DEVICES`: a test runs on the CPU and, where there is one, on a GPU."""

import pytest

DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
