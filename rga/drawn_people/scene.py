"""The places in front of cameras: walls, floors and what stands about, painted once a camera as a wide view."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1000, 600  # of a wide view, pixels
GROUND = 500  # row at which a person in the middle of the walkable strip stands

RGB = tuple[int, int, int]
Texture = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


class Scene(NamedTuple):
    """A wall and a floor that meet at row `base`; `horizon` sets how fast the floor recedes."""

    wall: str
    wall_colour: RGB
    floor: str
    floor_colour: RGB
    base: int
    horizon: int
    things: tuple[str, ...]


SCENES = (
    Scene("plaster", (196, 190, 176), "tiles", (176, 168, 154), 300, 130, ("door", "door", "poster")),
    Scene("hedge", (70, 98, 52), "paving", (150, 142, 132), 290, 60, ("tree", "tree", "bench")),
    Scene("bricks", (142, 84, 66), "asphalt", (96, 98, 102), 340, 90, ("window", "window", "sign")),
    Scene("glass", (120, 150, 168), "slabs", (188, 186, 180), 260, 60, ("pillar", "pillar", "poster")),
    Scene("shelves", (120, 86, 56), "planks", (150, 106, 70), 310, 120, ("pillar",)),
    Scene("fence", (120, 130, 132), "grass", (98, 130, 66), 270, 90, ("tree", "bench")),
    Scene("shutters", (148, 152, 158), "asphalt", (120, 118, 112), 350, 110, ("sign", "car")),
    Scene("panels", (86, 96, 116), "tiles", (206, 204, 200), 290, 100, ("poster", "poster", "pillar")),
    Scene("plaster", (168, 182, 160), "carpet", (88, 66, 82), 320, 140, ("door", "window", "poster")),
    Scene("concrete", (150, 150, 146), "paving", (126, 110, 96), 250, 40, ("car", "tree", "sign")),
)


def _noise(rng: np.random.Generator, shape: tuple[int, int], *cells: int) -> np.ndarray:
    """Smooth noise of mean 0 with one octave per cell size, pixels."""
    total = np.zeros(shape, np.float32)
    for i, cell in enumerate(cells):
        coarse = rng.standard_normal((shape[0] // cell + 3, shape[1] // cell + 3)).astype(np.float32)
        fine = Image.fromarray(coarse).resize((coarse.shape[1] * cell, coarse.shape[0] * cell), Image.BICUBIC)
        total += np.asarray(fine)[cell : cell + shape[0], cell : cell + shape[1]] / (1 + 0.5 * i)
    return total


def _cells(u, v, width, height, shift, rng, spread):
    """Running bond: whether a point lies in a joint's distance of a cell border, and one random number per cell."""
    row = np.floor(v / height).astype(int)
    x = u / width + shift * (row % 2)
    column = np.floor(x).astype(int)
    table = rng.normal(0, spread, (97, 89)).astype(np.float32)
    du, dv = (x - column) * width, v - row * height
    return np.minimum(np.minimum(du, width - du), np.minimum(dv, height - dv)), table[row % 97, column % 89]


def _texture(name: str, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness factors of a material at coordinates in metres."""
    sizes = {  # width, height, shift of every other row, joint, spread of tones
        "tiles": (0.6, 0.6, 0, 0.012, 0.03),
        "slabs": (1.1, 1.1, 0, 0.012, 0.03),
        "paving": (0.24, 0.12, 0.5, 0.007, 0.10),
        "planks": (1.4, 0.14, 0.37, 0.006, 0.10),
        "bricks": (0.24, 0.085, 0.5, 0.009, 0.13),
        "glass": (1.3, 1.6, 0, 0.035, 0.12),
        "panels": (0.9, 1.3, 0, 0.012, 0.05),
        "concrete": (2.4, 1.2, 0, 0.010, 0.04),
    }
    if name in sizes:
        width, height, shift, joint, spread = sizes[name]
        edge, tone = _cells(u, v, width, height, shift, rng, spread)
        return (1 + tone) * np.where(edge < joint, 0.72 if name != "glass" else 0.4, 1)
    if name == "shutters":
        return 0.88 + 0.14 * np.abs(np.sin(v * 38))
    if name == "fence":
        return np.where((u % 0.16 < 0.06) | (np.abs(v - 0.3) < 0.04) | (np.abs(v - 1.3) < 0.04), 1.15, 0.55)
    if name == "shelves":
        width = 0.045
        table = rng.uniform(0.45, 1.5, (53, 211)).astype(np.float32)
        shelf = np.floor(v / 0.34).astype(int)
        books = table[shelf % 53, np.floor(u / width).astype(int) % 211]
        return np.where((v % 0.34 < 0.03) | (u % 1.1 < 0.04), 1.1, np.where(v % 0.34 > 0.29, 0.3, books))
    return np.ones_like(u)


def paint(scene: Scene, rng: np.random.Generator, pixels_per_metre: float) -> Image.Image:
    """The wide view of a scene, (HEIGHT, WIDTH) RGB, without people."""
    column, row = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    is_floor = row > scene.base
    away = (GROUND - scene.horizon) / np.maximum(
        row - scene.horizon, 5
    )  # 1 where people stand, larger behind
    u = (column - WIDTH / 2) * away / pixels_per_metre + 40
    v = np.where(is_floor, away * 6, 0)
    behind = (GROUND - scene.horizon) / (scene.base - scene.horizon)
    wall_u = (column - WIDTH / 2) * behind / pixels_per_metre + 40
    wall_v = (scene.base - row) * behind / pixels_per_metre + 20

    floor = _texture(scene.floor, u, v, rng)
    wall = _texture(scene.wall, wall_u, wall_v, rng)
    rough = {"grass": 0.16, "asphalt": 0.05, "carpet": 0.05, "hedge": 0.2, "bricks": 0.04}
    grain = _noise(rng, (HEIGHT, WIDTH), 3, 7)
    cloud = _noise(rng, (HEIGHT, WIDTH), 120, 50)
    factor = np.where(is_floor, floor, wall)
    factor = factor * (
        1 + grain * np.where(is_floor, rough.get(scene.floor, 0.018), rough.get(scene.wall, 0.018))
    )
    factor = factor * (1 + 0.035 * cloud)
    # Dirt and shade gather where the wall meets the floor.
    factor = factor * (1 - 0.28 * np.exp(-np.abs(row - scene.base) / 22))
    rgb = (
        np.where(is_floor[..., None], np.float32(scene.floor_colour), np.float32(scene.wall_colour))
        * factor[..., None]
    )
    if scene.wall in ("hedge", "shelves"):  # leaves and books are not all of one hue
        hue = _noise(rng, (HEIGHT, WIDTH), 5 if scene.wall == "hedge" else 9)[..., None]
        rgb = rgb + ~is_floor[..., None] * hue * np.float32([12, 4, -8])
    view = Image.fromarray(np.uint8(np.clip(rgb, 0, 255)))
    room = WIDTH // len(scene.things)  # each thing has its own, so that none hides another
    for i, thing in enumerate(scene.things):
        _place(
            view,
            thing,
            i * room + int(rng.integers(20, room - 120)),
            scene.base,
            rng,
            pixels_per_metre / behind,
        )
    return view.filter(ImageFilter.GaussianBlur(0.8))


def _place(view: Image.Image, thing: str, x: int, base: int, rng: np.random.Generator, metre: float) -> None:
    """Draws a thing from column x on, with its foot at row `base`, where a metre has `metre` pixels."""
    draw = ImageDraw.Draw(view, "RGBA")

    def tone(low: int, high: int) -> RGB:
        return tuple(int(v) for v in rng.integers(low, high, 3))

    def at(right: float, up: float) -> tuple[float, float]:
        return x + right * metre, base - up * metre

    def box(left: float, top: float, right: float, bottom: float, fill) -> None:
        draw.rectangle([at(left, top), at(right, bottom)], fill)

    def disc(right: float, up: float, radius: float, fill) -> None:
        draw.ellipse([at(right - radius, up + radius), at(right + radius, up - radius)], fill)

    if thing == "door":
        frame, leaf = tone(60, 120), tone(90, 170)
        box(-0.06, 2.16, 1.06, 0, frame)
        box(0, 2.1, 1.0, 0, leaf)
        box(0.15, 1.9, 0.85, 1.15, tuple(int(v * 0.85) for v in leaf))
        box(0.15, 0.95, 0.85, 0.15, tuple(int(v * 0.88) for v in leaf))
        box(0.86, 1.1, 0.94, 1.0, (210, 205, 190))
    elif thing == "window":
        box(-0.06, 2.46, 1.46, 0.84, (220, 218, 210))
        box(0, 2.4, 1.4, 0.9, (70, 92, 110))
        for pane in range(2):
            box(0.05 + 0.7 * pane, 2.35, 0.65 + 0.7 * pane, 1.0, (104, 134, 156))
            box(0.1 + 0.7 * pane, 2.3, 0.3 + 0.7 * pane, 1.5, (150, 176, 190, 120))
    elif thing in ("poster", "sign"):
        ground, ink = tone(140, 245), tone(20, 180)
        box(0, 2.1, 0.75, 1.05, (60, 60, 62))
        box(0.03, 2.07, 0.72, 1.08, ground)
        box(0.1, 1.98, 0.65, 1.62, ink)
        for line in range(4):
            box(0.1, 1.52 - line * 0.1, 0.3 + 0.33 * rng.random(), 1.48 - line * 0.1, (80, 80, 84))
    elif thing == "pillar":
        wide = int(0.45 * metre)
        for i in range(wide):
            light = int(205 - 90 * abs(i / wide - 0.35))
            draw.line([x + i, 0, x + i, base + 8], (light, light, light))
    elif thing == "tree":
        box(-0.11, 9, 0.11, -0.05, (84, 68, 54))
        box(0.02, 9, 0.11, -0.05, (64, 52, 42))
        for _ in range(260):
            g = rng.uniform(0.6, 1.25)
            leaf = (int(62 * g), int(92 * g), int(44 * g), 190)
            disc(rng.normal(0, 1.0), rng.normal(2.6, 0.45), rng.uniform(0.04, 0.13), leaf)
    elif thing == "bench":
        for top in (0.85, 0.68, 0.45):
            box(0, top, 1.7, top - 0.1, (128, 92, 60))
        for leg in (0.1, 1.5):
            box(leg, 0.45, leg + 0.08, -0.06, (50, 50, 54))
    elif thing == "car":
        body = tuple(int(0.35 * v + 75) for v in tone(0, 255))
        dark = tuple(int(v * 0.6) for v in body)
        box(-0.2, 0.12, 4.0, -0.2, (30, 30, 32, 150))
        draw.polygon([at(0.7, 0.85), at(1.2, 1.42), at(2.7, 1.42), at(3.3, 0.85)], dark)
        draw.polygon([at(0.95, 0.88), at(1.3, 1.34), at(1.9, 1.34), at(1.9, 0.88)], (120, 140, 150))
        draw.polygon([at(2.0, 0.88), at(2.0, 1.34), at(2.62, 1.34), at(3.05, 0.88)], (110, 130, 140))
        draw.rounded_rectangle([at(-0.1, 0.9), at(3.95, 0.22)], 0.2 * metre, body)
        for wheel in (0.75, 3.1):
            disc(wheel, 0.3, 0.32, (28, 28, 30))
            disc(wheel, 0.3, 0.17, (150, 150, 152))


def occluder(rng: np.random.Generator, pixels_per_metre: float, height: int) -> Image.Image:
    """(height, width) RGBA: a post, planter, board or bin that stands on the lower edge."""
    kind = ("post", "planter", "board", "bin")[rng.integers(4)]
    size = {"post": (0.16, 2.6), "planter": (0.85, 0.75), "board": (0.6, 1.0), "bin": (0.5, 0.85)}[kind]
    width, tall = (int(s * pixels_per_metre * rng.uniform(0.85, 1.2)) for s in size)
    tall = min(tall, height)
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    colour = rng.integers(60, 190, 3) * 0.5 + rng.integers(60, 190) * 0.5
    top = height - tall

    def column(y0, y1, base):
        for i in range(width):
            shade = 1.12 - 0.7 * abs(i / width - 0.4)
            draw.line([i, y0, i, y1], fill=(*(int(min(v * shade, 255)) for v in base), 255))

    if kind == "planter":
        column(height - int(tall * 0.5), height, colour)
        for _ in range(240):
            x, y = rng.normal(width / 2, width * 0.22), rng.normal(top + tall * 0.3, tall * 0.14)
            r, g = rng.uniform(0.015, 0.04) * pixels_per_metre, rng.uniform(0.55, 1.25)
            draw.ellipse([x - 2 * r, y - r, x + 2 * r, y + r], (int(58 * g), int(100 * g), int(46 * g), 255))
    elif kind == "board":
        draw.rectangle([2, top, width - 3, height - int(tall * 0.12)], (70, 62, 54, 255))
        draw.rectangle([7, top + 6, width - 8, height - int(tall * 0.17)], (232, 228, 214, 255))
        for i in range(6):
            y = top + tall * (0.14 + 0.1 * i)
            draw.rectangle(
                [14, y, 14 + (width - 30) * rng.uniform(0.4, 1), y + 4],
                (*(int(v * 0.7) for v in colour), 255),
            )
        draw.line([4, height - int(tall * 0.13), 4, height], (70, 62, 54, 255), 5)
        draw.line([width - 6, height - int(tall * 0.13), width - 6, height], (70, 62, 54, 255), 5)
    else:
        column(top, height, colour)
        if kind == "bin":
            draw.rectangle([0, top, width, top + int(tall * 0.1)], (48, 48, 52, 255))
    return image.filter(ImageFilter.GaussianBlur(0.8))
