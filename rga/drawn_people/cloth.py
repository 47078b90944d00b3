"""Colours on surfaces: mixing, woven patterns, and the pleats of cloth that hangs."""

import numpy as np

from rga.drawn_people.draw import Paint, Surface
from rga.drawn_people.person import Garment


def mix(a, b, share) -> np.ndarray:
    """(N, 3) colours: a where share (N,) is 0, b where it is 1."""
    share = np.asarray(share, np.float32)[:, None]
    return np.asarray(a, np.float32) * (1 - share) + np.asarray(b, np.float32) * share


def pattern(garment: Garment, across: np.ndarray, up: np.ndarray, height: float) -> np.ndarray:
    """(N, 3) colours of a garment's cloth; across, up: metres around the body and above the ground, (N,)."""
    base, accent = np.float32(garment.colour.rgb), np.float32(garment.accent.rgb)
    share = {
        "stripes": lambda: up % 0.064 < 0.028,
        "wide stripes": lambda: up % 0.15 < 0.075,
        "chest band": lambda: abs(up - 0.71 * height) < 0.055,
        "yoke": lambda: up > 0.745 * height,
        "checks": lambda: 0.42 * (across % 0.07 < 0.026) + 0.42 * (up % 0.07 < 0.026),
        "pinstripes": lambda: 0.55 * (across % 0.034 < 0.010),
        "dots": lambda: _dots(across / 0.07, up / 0.07),
    }.get(garment.pattern)
    return np.broadcast_to(base, (len(up), 3)) if share is None else mix(base, accent, share())


def _dots(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    across = across + np.floor(up) % 2 * 0.5  # every other row is shifted
    return np.hypot(across % 1 - 0.5, up % 1 - 0.5) < 0.24


def pleated(paint: Paint) -> Paint:
    """Upright folds that fade towards the waist, darker and lighter."""

    def pleats(s: Surface) -> np.ndarray:
        depth = 0.13 * np.clip(s.along / 0.25, 0, 1)
        return paint(s) * (1 + depth * np.sin(s.around * 7 + 1) * np.cos(s.around * 3))[:, None]

    return pleats
