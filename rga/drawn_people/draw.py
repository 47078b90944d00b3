"""Renders solid shapes: lofts sampled as points, a depth test for each pixel (z-buffer), then shading.

A loft is a stack of rings along a smooth path: an arm, a torso, a skirt, a hat. Everything in a picture of a person is
one. There are no triangles to rasterise and no 3D library: with points closer together than pixels, a depth test is a
sort.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from rga.drawn_people.person import Part

GONE = -4.0  # a depth, metres: beyond it points are not drawn
MIDDLE = 0.9  # metres above the ground: what perspective neither enlarges nor shrinks


class Surface(NamedTuple):
    """The visible points of one loft, as its painter sees them; N points."""

    around: np.ndarray  # (N,) angle on the ring: 0 right, pi/2 front, pi left, -pi/2 back
    along: np.ndarray  # (N,) metres from the loft's start
    point: np.ndarray  # (N, 3) x right, y front, z up, metres, in the person's own frame


Paint = Callable[[Surface], np.ndarray]  # -> (N, 3) sRGB, 0..255


@dataclass(frozen=True)
class Loft:
    """Rings along a smooth path. keys: (n, 9), each a centre, a half-axis to the right and one to the front, metres."""

    keys: np.ndarray
    part: Part
    paint: Paint | np.ndarray | tuple[int, int, int]  # or one colour
    boxy: float = 1.0  # exponent of the ring: 1 is an ellipse, towards 0 a rectangle
    folds: float = 0.0  # how deep the cloth is creased
    # (keys passed, 0..1; around) -> bool: where there is surface
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    logo: Callable[[Surface], np.ndarray] | None = None  # (N,) bool: where the surface is part of a print
    gloss: float = 0.0


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

    rgb: np.ndarray  # (H, W, 3) uint8 sRGB
    part: np.ndarray  # (H, W) uint8, 0 where transparent
    origin: tuple[float, float]


class _Ring(NamedTuple):
    """Points at equal distances on a unit ring (a superellipse): angles, coordinates, and their slopes along it."""

    around: np.ndarray
    x: np.ndarray
    y: np.ndarray
    dx: np.ndarray
    dy: np.ndarray


class _Cut(NamedTuple):
    """A loft cut into m rings of k points, about a pixel apart."""

    ring: _Ring
    keys: np.ndarray  # (m, 9) as Loft.keys
    slopes: np.ndarray  # (m, 9) their derivative along the loft
    along: np.ndarray  # (m,) metres of the centres' path
    there: np.ndarray | None  # (m, k) bool: where there is surface; None everywhere


@lru_cache(maxsize=512)
def _ring(samples: int, boxy: float) -> _Ring:
    dense = np.linspace(-np.pi, np.pi, 4097)
    curve = np.stack([np.sign(v) * np.abs(v) ** boxy for v in (np.cos(dense), np.sin(dense))])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve)))])
    x, y = (np.interp(np.arange(samples) * length[-1] / samples, length, column) for column in curve)
    dx, dy = np.roll(x, -1) - np.roll(x, 1), np.roll(y, -1) - np.roll(y, 1)
    return _Ring(*(np.float32(a) for a in (np.arctan2(y, x), x, y, dx, dy)))


def _cut(loft: Loft, density: float) -> _Cut:
    keys = np.concatenate([loft.keys[:1], loft.keys, loft.keys[-1:]])
    coarse = np.linspace(0, len(loft.keys), 5 * len(loft.keys) + 1)
    step = np.diff(_spline(keys, coarse)[0], axis=0).reshape(-1, 3, 3)
    centre, right, front = step[:, 0], step[:, 1], step[:, 2]
    # A ring's rim moves farther than its centre where the loft opens or closes.
    rims = np.stack([centre + right, centre - right, centre + front, centre - front])
    path = np.concatenate([[0], np.cumsum(np.sqrt((rims**2).sum(2)).max(0))])
    t = np.interp(np.linspace(0.002, 0.998, int(1.15 * density * path[-1]) + 4), path / path[-1], coarse)
    rings, slopes = _spline(keys, t)
    along = np.concatenate([[0], np.cumsum(np.sqrt((np.diff(rings[:, :3], axis=0) ** 2).sum(1)))])
    radius = np.sqrt((loft.keys[:, 3:].reshape(-1, 2, 3) ** 2).sum(2).max())
    around = (6.9 if loft.boxy == 1 else 7.8) * radius  # a circle's girth and a tenth; a rectangle's is more
    ring = _ring(8 * int(np.ceil(around * density / 8)) + 8, loft.boxy)  # few different counts, for the cache
    there = None
    if loft.keep is not None:
        place = np.clip((t - 0.5) / max(len(loft.keys) - 1, 1), 0, 1)
        there = loft.keep(place[:, None], ring.around[None])
    return _Cut(ring, *(np.float32(a) for a in (rings, slopes, along)), there)


def _spline(keys: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes at t, 0 .. len(keys) - 2, of a uniform quadratic B-spline, which stays between its keys."""
    piece = np.minimum(t.astype(int), len(keys) - 3)
    s = (t - piece)[:, None]
    k0, k1, k2 = keys[piece], keys[piece + 1], keys[piece + 2]
    value = 0.5 * ((1 - s) ** 2 * k0 + (1 + 2 * s - 2 * s * s) * k1 + s * s * k2)
    return value, (s - 1) * k0 + (1 - 2 * s) * k1 + s * k2


def render(lofts: list[Loft], view: View, light: Light, rng: np.random.Generator) -> Layer:
    """Draws lofts into a layer just large enough. rng creases the clothes."""
    cuts = [_cut(loft, view.pixels_per_metre) for loft in lofts]
    to_view = _to_view(view)
    x, y, depth = _project(cuts, to_view, view)
    left, top = int(x[depth > GONE].min()) - 3, int(y[depth > GONE].min()) - 3
    width, height = int(x[depth > GONE].max()) - left + 4, int(y[depth > GONE].max()) - top + 4
    where, points = _nearest(x - left, y - top, depth, width, height)

    albedo, normal = np.empty((len(points), 3), np.float32), np.empty((len(points), 3), np.float32)
    part, gloss = np.empty(len(points), np.uint8), np.empty(len(points), np.float32)
    starts = np.cumsum([0] + [len(cut.keys) * len(cut.ring.x) for cut in cuts])
    bounds = np.searchsorted(points, starts)
    for loft, cut, start, first, last in zip(lofts, cuts, starts, bounds, bounds[1:], strict=False):
        if first == last:
            continue
        seen = slice(first, last)
        surface, normal[seen] = _surface(loft, cut, points[seen] - start, to_view, rng)
        albedo[seen] = loft.paint(surface) if callable(loft.paint) else loft.paint
        part[seen], gloss[seen] = loft.part, loft.gloss
        if loft.logo is not None:
            part[seen][loft.logo(surface)] = Part.LOGO

    behind = np.full((height, width), -0.5, np.float32)
    behind.ravel()[where] = depth[points]
    shade = _shade(normal, gloss, light) * _hollows(behind, view.pixels_per_metre).ravel()[where, None]
    # Light adds up in linear space; the root (gamma) leads back to sRGB, near enough. Whites do not burn out at once.
    lit = albedo * np.sqrt(shade)
    layer = Layer(np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8), (-left, -top))
    layer.rgb.reshape(-1, 3)[where] = np.where(lit > 200, 200 + 52 * np.tanh((lit - 200) / 52), lit)
    layer.part.ravel()[where] = part
    return layer


def _to_view(view: View) -> np.ndarray:
    """(3, 3) from a person's frame to (right on the screen, towards the camera, up on the screen)."""
    cy, sy, cp, sp = np.cos(view.yaw), np.sin(view.yaw), np.cos(view.pitch), np.sin(view.pitch)
    turn = np.array([[-cy, sy, 0], [sy, cy, 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    return (tilt @ turn).astype(np.float32)


def _project(cuts: list[_Cut], to_view: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All points of all lofts: x and y in pixels from the standing point, y downwards; depth in metres."""
    parts = []
    for cut in cuts:
        keys = _turned(cut.keys, to_view)
        x, depth, y = (
            keys[:, i, None] + keys[:, 3 + i, None] * cut.ring.x + keys[:, 6 + i, None] * cut.ring.y
            for i in range(3)
        )
        depth = depth if cut.there is None else np.where(cut.there, depth, 2 * GONE)
        parts.append((x.ravel(), y.ravel(), depth.ravel()))
    x, y, depth = (np.concatenate(column) for column in zip(*parts, strict=True))
    scale = view.pixels_per_metre / (1 - depth / view.distance)
    # Perspective about the middle of the body, so that people keep their size at any distance.
    return x * scale, (MIDDLE - y) * scale - MIDDLE * view.pixels_per_metre, depth


def _nearest(x, y, depth, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels (flat indices) show which points; sorted by point."""
    pixel = np.where(depth > GONE, y.astype(np.int32) * width + x.astype(np.int32), width * height)
    order = np.argsort(np.clip((depth + 2) * 16000, 0, 65535).astype(np.uint16), kind="stable")
    winner = np.full(width * height + 1, -1, np.int32)
    winner[pixel[order]] = order  # of several points in a pixel the last one written stays: the nearest
    where = np.flatnonzero(winner[:-1] >= 0)
    by_point = np.argsort(winner[where], kind="stable")
    return where[by_point], winner[where][by_point]


def _surface(
    loft: Loft, cut: _Cut, points: np.ndarray, to_view: np.ndarray, rng: np.random.Generator
) -> tuple[Surface, np.ndarray]:
    """What a painter may know of a loft's visible points, and their (N, 3) normals in the camera's frame."""
    at, on = np.divmod(points, len(cut.ring.x))
    around, x, y, dx, dy = (column[on] if i == 0 else column[on, None] for i, column in enumerate(cut.ring))
    keys, slopes = cut.keys[at], cut.slopes[at]
    surface = Surface(around, cut.along[at], keys[:, 0:3] + keys[:, 3:6] * x + keys[:, 6:9] * y)
    tangent = (slopes[:, 0:3] + slopes[:, 3:6] * x + slopes[:, 6:9] * y) @ to_view.T
    normal = _unit(_cross((keys[:, 3:6] * dx + keys[:, 6:9] * dy) @ to_view.T, tangent))
    normal *= np.where(normal[:, 1:2] < 0, -1, 1)  # whatever is seen faces the camera
    if loft.folds:
        creases = loft.folds * _creases(surface, cut.along[-1], rng)
        normal = _unit(normal + _unit(tangent) * creases[:, None])
    return surface, normal


def _turned(keys: np.ndarray, to_view: np.ndarray) -> np.ndarray:
    return (keys.reshape(-1, 3) @ to_view.T).reshape(-1, 9)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of (N, 3) vectors; numpy's own is several times slower on few of them."""
    (a0, a1, a2), (b0, b1, b2) = a.T, b.T
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], 1)


def _unit(a: np.ndarray) -> np.ndarray:
    return a / (np.sqrt((a * a).sum(1, keepdims=True)) + 1e-9)


def _creases(surface: Surface, length: float, rng: np.random.Generator) -> np.ndarray:
    """(N,) slopes of soft folds that run slantwise round the limb, a few here and there."""
    slope = np.zeros(len(surface.along), np.float32)
    for _ in range(7):
        at, angle, slant = rng.uniform(0, length), rng.uniform(-np.pi, np.pi), rng.uniform(-0.05, 0.05)
        width, reach = rng.uniform(0.010, 0.026), rng.uniform(0.5, 1.3)
        off = surface.around - angle
        d = (surface.along - at - slant * np.sin(off)) / width
        slope += d * np.exp(-0.5 * d * d + (np.cos(off) - 1) / reach**2)
    return slope * 1.6


def _shade(normal: np.ndarray, gloss: np.ndarray, light: Light) -> np.ndarray:
    """(N, 1) shading: ambient light of sky and ground, one directional light (wrapped diffuse), a little gloss."""
    to_light = np.asarray(light.direction, np.float32) / np.linalg.norm(light.direction)
    sky = light.ambient * (0.72 + 0.28 * normal[:, 2])
    wrapped = np.clip((normal @ to_light + 0.35) / 1.35, 0, 1) ** 1.3
    half = to_light + (0, 1, 0)
    gloss = gloss * np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 18
    return (sky + light.key * (wrapped + gloss))[:, None]


def _hollows(depth: np.ndarray, density: float) -> np.ndarray:
    """(H, W) ambient occlusion: darker where something close by stands in front, as under chins and between legs."""
    near = Image.fromarray(depth).reduce(2)
    levels = Image.fromarray(np.uint8(np.clip(np.asarray(near) * 128 + 128, 0, 255)))  # blurs are for bytes
    around = np.asarray(levels.filter(ImageFilter.BoxBlur(density * 0.018)), np.float32) / 128 - 1
    dark = Image.fromarray(1 - np.clip((around - np.asarray(near)) * 3.2, 0, 0.42))
    return np.asarray(dark.resize(depth.shape[::-1], Image.BILINEAR))
