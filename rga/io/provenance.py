"""What a number needs beside it, and a file for both."""

import json
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
import torchvision

from rga import __version__
from rga.whole import whole


def provenance(device: str | torch.device | None = None) -> dict:
    """What a number needs beside it: versions, commit (None outside a clone), device, cores and UTC time."""
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    commit = _git("rev-parse", "HEAD") if _git("ls-files", "--error-unmatch", Path(__file__).name) else None
    return {
        "rga": __version__,
        "commit": commit,
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _git(*words: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _cpu_name() -> str:
    try:  # platform.processor() is empty on most Linux systems
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def write_json(path: str | Path, value) -> Path:
    """Write value as JSON, whole or not at all; arrays and tensors become lists, paths text. Returns path."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=_plain) + "\n"
    with whole(path) as partial:
        # File names that are no text hold characters that UTF-8 lacks: as \udcff they are JSON.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def _plain(value):
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"write_json cannot write a {type(value).__name__}.")
