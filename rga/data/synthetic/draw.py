"""Draws solid shapes: lofts sampled as points, the nearest point to the camera wins its pixel, then light falls on it.

A loft is a stack of rings along a smooth path: an arm, a torso, a skirt, a hat. Everything in a picture of a person is
one. There are no triangles and no 3D library: with points closer together than pixels, a depth test is a sort.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter
from scipy.interpolate import BSpline


class Surface(NamedTuple):
    """The visible points of one loft, as its painter sees them; N points."""

    around: np.ndarray  # (N,) angle on the ring: 0 right, pi/2 front, pi left, -pi/2 back
    along: np.ndarray  # (N,) metres from the loft's start
    point: np.ndarray  # (N, 3) x right, y front, z up, metres, in the person's own frame


Paint = Callable[[Surface], np.ndarray]  # -> (N, 3) sRGB, 0..255


@dataclass(frozen=True)
class Loft:
    """Rings along a smooth path. keys: (n, 9) floats, each a centre, a half-axis to the right and one to the front."""

    keys: np.ndarray
    part: int
    paint: Paint | tuple[int, int, int]
    boxy: float = 1.0  # exponent of the ring: 1 is an ellipse, towards 0 a rectangle
    folds: float = 0.0  # how deep the cloth is creased
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None  # (along 0..1, around) -> where there is surface
    logo: Callable[[Surface], np.ndarray] | None = None  # (N,) bool: where the surface is part of a print
    shine: float = 0.0


class View(NamedTuple):
    """From where a figure is seen. Angles in radians; yaw 0 sees the front, pi the back."""

    yaw: float
    pitch: float  # how steeply the camera looks down
    distance: float  # metres: near cameras make heads large
    pixels_per_metre: float


class Light(NamedTuple):
    direction: tuple[float, float, float]  # towards the light: right, towards the camera, up
    key: float  # strength of the directed light
    ambient: float


class Layer(NamedTuple):
    """A drawn figure with transparent surroundings; its standing point is at `origin` (x, y) in pixels."""

    rgb: np.ndarray  # (H, W, 3) float32, linear light 0..1
    part: np.ndarray  # (H, W) uint8, 0 where transparent
    origin: tuple[float, float]


@lru_cache(maxsize=512)
def _spline(keys: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Quadratic B-spline through `keys` control values: (samples, keys) matrices of values and of slopes."""
    degree = min(2, keys - 1)
    knots = np.concatenate([np.zeros(degree), np.linspace(0, 1, keys - degree + 1), np.ones(degree)])
    t = np.linspace(0, 1, samples)
    basis = BSpline(knots, np.eye(keys), degree)
    return basis(t).astype(np.float32), basis.derivative()(t).astype(np.float32)


@lru_cache(maxsize=512)
def _ring(samples: int, boxy: float) -> tuple[np.ndarray, ...]:
    """Angles around a ring, its two coordinates and their slopes."""
    around = np.linspace(-np.pi, np.pi, samples, endpoint=False, dtype=np.float32)
    c, s = np.cos(around), np.sin(around)
    x, y = np.sign(c) * np.abs(c) ** boxy, np.sign(s) * np.abs(s) ** boxy
    step = around[1] - around[0]
    dx, dy = (np.roll(x, -1) - np.roll(x, 1)) / (2 * step), (np.roll(y, -1) - np.roll(y, 1)) / (2 * step)
    return around, x, y, dx, dy


def _samples(loft: Loft, density: float) -> tuple[int, int]:
    """Rings and points per ring, so that neighbours are less than a pixel apart; few distinct sizes, for the caches."""
    centres, rights, fronts = loft.keys[:, :3], loft.keys[:, 3:6], loft.keys[:, 6:9]
    # A ring's rim moves farther than its centre where the loft opens or closes.
    path = sum(
        max(np.linalg.norm(d[:3]), np.linalg.norm(d[:3] + d[3:6]), np.linalg.norm(d[:3] + d[6:9]))
        for d in np.diff(loft.keys, axis=0)
    )
    radius = max(np.linalg.norm(rights, axis=1).max(), np.linalg.norm(fronts, axis=1).max())
    del centres
    rings, points = path * density * 1.25, 2 * np.pi * radius * density * (1.1 if loft.boxy == 1 else 1.35)
    return 4 * int(np.ceil(rings / 4)) + 4, 8 * int(np.ceil(points / 8)) + 8


def render(lofts: list[Loft], view: View, light: Light, rng: np.random.Generator) -> Layer:
    """Draws lofts into a layer just large enough. rng creases the clothes."""
    density = view.pixels_per_metre
    cy, sy, cp, sp = np.cos(view.yaw), np.sin(view.yaw), np.cos(view.pitch), np.sin(view.pitch)
    turn = np.array([[-cy, sy, 0], [sy, cy, 0], [0, 0, 1]])  # to (screen right, towards the camera, up)
    tilt = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    to_view = (tilt @ turn).astype(np.float32)

    rows, sizes, xs, depths, ys = [], [], [], [], []
    for loft in lofts:
        m, k = _samples(loft, density)
        keys = loft.keys.reshape(-1, 3, 3).astype(np.float32)
        value, slope = _spline(len(keys), m)
        seen = (keys @ to_view.T).reshape(len(keys), 9)
        ring = value @ seen
        _, rx, ry, _, _ = _ring(k, loft.boxy)
        x, depth, y = (ring[:, i, None] + ring[:, 3 + i, None] * rx + ring[:, 6 + i, None] * ry for i in range(3))
        if loft.keep is not None:
            t, around = np.linspace(0, 1, m, dtype=np.float32)[:, None], _ring(k, loft.boxy)[0][None]
            depth = np.where(loft.keep(t, around), depth, -9)
        rows.append((ring, slope @ seen, value, keys))
        sizes.append((m, k))
        xs.append(x.ravel()), ys.append(y.ravel()), depths.append(depth.ravel())
    x, y, depth = np.concatenate(xs), np.concatenate(ys), np.concatenate(depths)
    # Perspective about the middle of the body, so that size does not depend on distance.
    scale = density / (1 - depth / view.distance)
    x, y = x * scale, -(y - 0.9) * scale - 0.9 * density
    shown = depth > -8
    left, top = int(np.floor(x[shown].min())) - 2, int(np.floor(y[shown].min())) - 2
    width, height = int(x[shown].max()) - left + 4, int(y[shown].max()) - top + 4

    column, row = (x - left).astype(np.int32), (y - top).astype(np.int32)
    pixel = np.where(shown, row * width + column, width * height)
    nearness = np.clip((depth + 2) * 16000, 0, 65535).astype(np.uint16)
    order = np.argsort(nearness, kind="stable")
    winner = np.full(width * height + 1, -1, np.int32)
    winner[pixel[order]] = order  # the last one written is the nearest
    winner = winner[:-1]

    where = np.flatnonzero(winner >= 0)
    points = winner[where]
    by_loft = np.argsort(points, kind="stable")
    where, points = where[by_loft], points[by_loft]
    starts = np.cumsum([0] + [m * k for m, k in sizes])
    bounds = np.searchsorted(points, starts)
    albedo, normal, shine = np.empty((len(points), 3), np.float32), np.empty((len(points), 3), np.float32), 0
    part, shine = np.empty(len(points), np.uint8), np.zeros(len(points), np.float32)
    for i, loft in enumerate(lofts):
        chosen = slice(bounds[i], bounds[i + 1])
        if chosen.start == chosen.stop:
            continue
        m, k = sizes[i]
        ring_at, ring_point = np.divmod(points[chosen] - starts[i], k)
        around, *table = _ring(k, loft.boxy)
        rx, ry, dx, dy = (column[ring_point, None] for column in table)
        ring, slope, value, keys = rows[i]
        tangent_around = ring[ring_at, 3:6] * dx + ring[ring_at, 6:9] * dy
        d = slope[ring_at]
        tangent_along = d[:, 0:3] + d[:, 3:6] * rx + d[:, 6:9] * ry
        n = np.cross(tangent_around, tangent_along)
        n /= np.linalg.norm(n, axis=1, keepdims=True) + 1e-9
        n *= np.where(n[:, 1:2] < 0, -1, 1)  # whatever is seen faces the camera
        own = (value @ keys.reshape(len(keys), 9))[ring_at]
        length = np.linalg.norm(np.diff(value @ keys[:, 0], axis=0), axis=1).sum()
        surface = Surface(
            around[ring_point], ring_at * (length / m), own[:, 0:3] + own[:, 3:6] * rx + own[:, 6:9] * ry
        )
        if loft.folds:
            along = tangent_along / (np.linalg.norm(tangent_along, axis=1, keepdims=True) + 1e-9)
            n = n + along * (loft.folds * _creases(surface, rng))[:, None]
            n /= np.linalg.norm(n, axis=1, keepdims=True)
        albedo[chosen] = loft.paint(surface) if callable(loft.paint) else loft.paint
        normal[chosen], part[chosen], shine[chosen] = n, loft.part, loft.shine
        if loft.logo is not None:
            part[chosen][loft.logo(surface)] = 11

    out_part = np.zeros(width * height, np.uint8)
    out_part[where] = part
    far = np.full(width * height, -0.5, np.float32)
    far[where] = depth[points]
    shade = _shade(normal, shine, light) * _hollows(far.reshape(height, width), density).ravel()[where, None]
    rgb = np.zeros((width * height, 3), np.float32)
    rgb[where] = (albedo / 255) ** 2.2 * shade
    return Layer(
        rgb.reshape(height, width, 3), out_part.reshape(height, width), (-left, -top)
    )


def _creases(surface: Surface, rng: np.random.Generator) -> np.ndarray:
    """(N,) slopes of soft folds that run slantwise around the limb."""
    slope = np.zeros(len(surface.along), np.float32)
    for _ in range(4):
        wave, turn, phase = rng.uniform(25, 80), rng.integers(-2, 3), rng.uniform(0, 6.28)
        bend = rng.uniform(0, 6.28)
        slope += np.sin(surface.along * wave + surface.around * turn + phase + np.sin(surface.along * 11 + bend))
    return slope * 0.5


def _shade(normal: np.ndarray, shine: np.ndarray, light: Light) -> np.ndarray:
    """(N, 1) brightness: sky from above, bounce from below, one directed light that wraps softly, a little gloss."""
    to_light = np.asarray(light.direction, np.float32) / np.linalg.norm(light.direction)
    sky = light.ambient * (0.72 + 0.28 * normal[:, 2])
    wrapped = np.clip((normal @ to_light + 0.35) / 1.35, 0, 1) ** 1.3
    half = to_light + (0, 1, 0)
    gloss = shine * np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 18
    return (sky + light.key * (wrapped + gloss))[:, None]


def _hollows(depth: np.ndarray, density: float) -> np.ndarray:
    """(H, W) darkening where something close by stands in front: under chins and arms, between legs."""
    small = Image.fromarray(depth).reduce(2)
    near = np.asarray(small)
    blurred = Image.fromarray(np.uint8(np.clip(near * 128 + 128, 0, 255))).filter(ImageFilter.BoxBlur(density * 0.018))
    step = np.asarray(blurred, np.float32) / 128 - 1 - near
    dark = Image.fromarray((1 - np.clip(step * 3.2, 0, 0.42)).astype(np.float32))
    return np.asarray(dark.resize((depth.shape[1], depth.shape[0]), Image.BILINEAR))
