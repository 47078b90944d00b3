"""The states of all random number generators (RNG), saved and restored, so that a run resumes as if never stopped."""

import random

import numpy as np
import torch


def get_rng_state(device: torch.device) -> dict:
    """Of PyTorch (CPU and `device`), NumPy and Python, as plain values that `weights_only=True` loads."""
    kind, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
        "python": random.getstate(),
    }


def set_rng_state(state: dict, device: torch.device) -> None:
    """Restore what `get_rng_state` returned; a GPU's state is left out where there is none, or was none."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["device"] is not None:
        torch.cuda.set_rng_state(state["device"], device)
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])
