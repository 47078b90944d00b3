"""Colours on surfaces: mixing, folds in hanging cloth, and the patterns that are woven into it."""

import numpy as np

from .draw import Surface


def mix(a, b, mask) -> np.ndarray:
    """Colour a where mask is 0 and b where it is 1."""
    mask = np.asarray(mask, np.float32)[:, None]
    return np.asarray(a, np.float32) * (1 - mask) + np.asarray(b, np.float32) * mask


def dim(rgb, factor) -> np.ndarray:
    return np.asarray(rgb, np.float32) * factor


def dots(across: np.ndarray, up: np.ndarray, pitch: float) -> np.ndarray:
    odd = (np.floor(up / pitch) % 2) * 0.5
    return np.hypot((across / pitch + odd) % 1 - 0.5, (up / pitch) % 1 - 0.5) < 0.24


def pattern(
    top, base: np.ndarray, accent: np.ndarray, across: np.ndarray, up: np.ndarray, h: float
) -> np.ndarray:
    """(N, 3) colours of a patterned cloth at (N,) metres around the body and above the ground."""
    mask = {
        "stripes": lambda: up % 0.064 < 0.028,
        "wide stripes": lambda: up % 0.15 < 0.075,
        "chest band": lambda: abs(up - 0.71 * h) < 0.055,
        "yoke": lambda: up > 0.745 * h,
        "checks": lambda: 0.42 * (across % 0.07 < 0.026) + 0.42 * (up % 0.07 < 0.026),
        "pinstripes": lambda: 0.55 * (across % 0.034 < 0.010),
        "dots": lambda: dots(across, up, 0.07),
    }.get(top.pattern)
    if mask is None:
        return np.broadcast_to(base, (len(up), 3))
    return mix(base, accent, mask())


def pleats(paint):
    """Vertical folds of hanging cloth: darker and lighter bands that fade towards the waist."""

    def painted(s: Surface) -> np.ndarray:
        rgb = (
            paint(s) if callable(paint) else np.broadcast_to(np.asarray(paint, np.float32), (len(s.along), 3))
        )
        depth = 0.13 * np.clip(s.along / 0.25, 0, 1)
        return rgb * (1 + depth * np.sin(s.around * 7 + 1) * np.cos(s.around * 3))[:, None]

    return painted
