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
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = (
        None  # (along 0..1, around) -> where there is surface
    )
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

    rgb: np.ndarray  # (H, W, 3) uint8 sRGB
    part: np.ndarray  # (H, W) uint8, 0 where transparent
    origin: tuple[float, float]


@lru_cache(maxsize=512)
def _ring(samples: int, boxy: float) -> tuple[np.ndarray, ...]:
    """Points at equal distances on the unit ring: their angles, coordinates x and y, and the slopes of these."""
    dense = np.linspace(-np.pi, np.pi, 4097)
    c, s = np.cos(dense), np.sin(dense)
    curve = np.stack([np.sign(c) * np.abs(c) ** boxy, np.sign(s) * np.abs(s) ** boxy])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve)))])
    x, y = (np.interp(np.arange(samples) * length[-1] / samples, length, column) for column in curve)
    dx, dy = np.roll(x, -1) - np.roll(x, 1), np.roll(y, -1) - np.roll(y, 1)
    return tuple(np.float32(a) for a in (np.arctan2(y, x), x, y, dx, dy))


class _Rings(NamedTuple):
    """A loft cut into m rings, less than a pixel apart."""

    keys: np.ndarray  # (m, 9) as Loft.keys
    slopes: np.ndarray  # (m, 9) their derivative along the loft
    along: np.ndarray  # (m,) metres of the centres' path
    place: np.ndarray  # (m,) which key it is near, 0 the first, 1 the last


def _spline(keys: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes of a uniform quadratic B-spline at t, 0 .. len(keys) - 2."""
    piece = np.minimum(t.astype(int), len(keys) - 3)
    s = (t - piece)[:, None]
    k0, k1, k2 = keys[piece], keys[piece + 1], keys[piece + 2]
    return 0.5 * ((1 - s) ** 2 * k0 + (1 + 2 * s - 2 * s * s) * k1 + s * s * k2), (s - 1) * k0 + (
        1 - 2 * s
    ) * k1 + s * k2


def _cut(loft: Loft, density: float) -> tuple[_Rings, int]:
    """The loft's rings on a uniform quadratic B-spline, which keeps within its keys, and the points on each ring."""
    keys = np.concatenate([loft.keys[:1], loft.keys, loft.keys[-1:]])
    coarse = np.linspace(0, len(loft.keys), 5 * len(loft.keys) + 1)
    step = np.diff(_spline(keys, coarse)[0], axis=0).reshape(-1, 3, 3)
    centre, right, front = step[:, 0], step[:, 1], step[:, 2]
    # A ring's rim moves farther than its centre where the loft opens or closes.
    rims = np.stack([centre + right, centre - right, centre + front, centre - front])
    cover = np.concatenate([[0], np.cumsum(np.sqrt((rims**2).sum(2)).max(0))])
    m = int(cover[-1] * density * 1.08) + 4
    t = np.interp(np.linspace(0.002, 0.998, m), cover / cover[-1], coarse)
    rings, slopes = _spline(keys, t)
    along = np.concatenate([[0], np.cumsum(np.sqrt((np.diff(rings[:, :3], axis=0) ** 2).sum(1)))])
    place = np.clip((t - 0.5) / max(len(loft.keys) - 1, 1), 0, 1)
    radius = np.sqrt((loft.keys[:, 3:].reshape(-1, 2, 3) ** 2).sum(2).max())
    points = 8 * int(np.ceil((6.2 if loft.boxy == 1 else 7.2) * radius * density / 8)) + 8
    return _Rings(*(np.float32(a) for a in (rings, slopes, along, place))), points


def render(lofts: list[Loft], view: View, light: Light, rng: np.random.Generator) -> Layer:
    """Draws lofts into a layer just large enough. rng creases the clothes."""
    density = view.pixels_per_metre
    cy, sy, cp, sp = np.cos(view.yaw), np.sin(view.yaw), np.cos(view.pitch), np.sin(view.pitch)
    turn = np.array([[-cy, sy, 0], [sy, cy, 0], [0, 0, 1]])  # to (screen right, towards the camera, up)
    tilt = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    to_view = (tilt @ turn).astype(np.float32)

    cuts, sizes, xs, ys, depths = [], [], [], [], []
    for loft in lofts:
        rings, k = _cut(loft, density)
        m = len(rings.keys)
        around, rx, ry, _, _ = _ring(k, loft.boxy)
        seen = (rings.keys.reshape(-1, 3) @ to_view.T).reshape(m, 9)
        x, depth, y = (
            seen[:, i, None] + seen[:, 3 + i, None] * rx + seen[:, 6 + i, None] * ry for i in range(3)
        )
        if loft.keep is not None:
            depth = np.where(loft.keep(rings.place[:, None], around[None]), depth, -9)
        cuts.append((rings, seen, (rings.slopes.reshape(-1, 3) @ to_view.T).reshape(m, 9)))
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
    albedo, normal = np.empty((len(points), 3), np.float32), np.empty((len(points), 3), np.float32)
    part, shine = np.empty(len(points), np.uint8), np.empty(len(points), np.float32)
    for i, loft in enumerate(lofts):
        chosen = slice(bounds[i], bounds[i + 1])
        if chosen.start == chosen.stop:
            continue
        m, k = sizes[i]
        ring_at, ring_point = np.divmod(points[chosen] - starts[i], k)
        around, *table = _ring(k, loft.boxy)
        rx, ry, dx, dy = (values[ring_point, None] for values in table)
        rings, seen, slope = cuts[i]
        seen, slope, own = seen[ring_at], slope[ring_at], rings.keys[ring_at]
        tangent_around = seen[:, 3:6] * dx + seen[:, 6:9] * dy
        tangent_along = slope[:, 0:3] + slope[:, 3:6] * rx + slope[:, 6:9] * ry
        n = _unit(_cross(tangent_around, tangent_along))
        n *= np.where(n[:, 1:2] < 0, -1, 1)  # whatever is seen faces the camera
        length = rings.along[-1]
        surface = Surface(
            around[ring_point], rings.along[ring_at], own[:, 0:3] + own[:, 3:6] * rx + own[:, 6:9] * ry
        )
        if loft.folds:
            n = _unit(n + _unit(tangent_along) * (loft.folds * _creases(surface, length, rng))[:, None])
        albedo[chosen] = loft.paint(surface) if callable(loft.paint) else loft.paint
        normal[chosen], part[chosen], shine[chosen] = n, loft.part, loft.shine
        if loft.logo is not None:
            part[chosen][loft.logo(surface)] = 11

    out_part = np.zeros(width * height, np.uint8)
    out_part[where] = part
    far = np.full(width * height, -0.5, np.float32)
    far[where] = depth[points]
    shade = _shade(normal, shine, light) * _hollows(far.reshape(height, width), density).ravel()[where, None]
    rgb = np.zeros((width * height, 3), np.uint8)
    # Light adds up in linear space; a square stands in for the sRGB curve there and back.
    lit = albedo * np.sqrt(shade)
    rgb[where] = np.where(lit > 200, 200 + 52 * np.tanh((lit - 200) / 52), lit)
    return Layer(rgb.reshape(height, width, 3), out_part.reshape(height, width), (-left, -top))


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
        at, angle, turn = rng.uniform(0, length), rng.uniform(-np.pi, np.pi), rng.uniform(-0.05, 0.05)
        width, reach = rng.uniform(0.010, 0.026), rng.uniform(0.5, 1.3)
        off = np.cos(surface.around - angle)
        d = (surface.along - at - turn * np.sin(surface.around - angle)) / width
        slope += d * np.exp(-0.5 * d * d + (off - 1) / reach**2)
    return slope * 1.6


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
    blurred = Image.fromarray(np.uint8(np.clip(near * 128 + 128, 0, 255))).filter(
        ImageFilter.BoxBlur(density * 0.018)
    )
    step = np.asarray(blurred, np.float32) / 128 - 1 - near
    dark = Image.fromarray((1 - np.clip(step * 3.2, 0, 0.42)).astype(np.float32))
    return np.asarray(dark.resize((depth.shape[1], depth.shape[0]), Image.BILINEAR))
