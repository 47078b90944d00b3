"""A camera and what it makes of a person: place, viewpoint, light, colours, sharpness, the accidents of an image."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from rga.drawn_people import scene
from rga.drawn_people.body import Body, Pose
from rga.drawn_people.clothes import lower, upper
from rga.drawn_people.draw import Layer, Light, View, render
from rga.drawn_people.head import head
from rga.drawn_people.luggage import carried
from rga.drawn_people.person import Person, random_person

METRE = 150.0  # pixels to the metre of the view in which a picture is composed, before it is scaled down
CANVAS = (280, 376)  # width, height of that view
FEET = (140, 336)  # where in it the person stands


class Camera(NamedTuple):
    """One of the ten cameras. Angles in degrees."""

    scene: int
    facing: tuple[float, ...]  # yaws under which people usually walk past: 0 towards the camera, 180 away
    pitch: float
    distance: float  # metres
    light: tuple[float, float, float]  # right, towards the camera, up
    key: float
    gain: tuple[float, float, float]  # white balance
    exposure: float
    contrast: float
    saturation: float
    haze: float
    blur: float  # pixels of a 256-pixel-high person
    noise: float  # standard deviation in grey levels
    quality: int  # JPEG
    tall: float  # height of a person of average height, pixels


# Two cameras a pair. Within a pair everything differs: seen by the other camera, everybody looks more like the
# strangers who are there than like himself. That is what a re-identification network must learn to see through.
CAMERAS = (
    Camera(0, (0, 30, -35), 12, 7, (-0.7, 0.5, 0.8), 0.55, (1.12, 1, 0.8), 0.95, 0.95, 0.95, 0.04, 0.5, 3.5, 85, 230),
    Camera(1, (180, 150, 95), 18, 9, (0.8, 0.2, 0.9), 1, (0.88, 1, 1.16), 1.15, 1.15, 0.8, 0, 0.8, 4, 75, 170),
    Camera(2, (90, 60, 120), 8, 8, (0.5, 0.7, 0.9), 0.9, (0.96, 1, 0.98), 0.62, 1.1, 0.9, 0, 0.9, 6, 70, 150),
    Camera(3, (0, -20, -90), 14, 6, (-0.4, 0.2, 1), 0.6, (1, 1.06, 1.04), 1.35, 0.85, 0.75, 0.12, 0.5, 2.5, 88, 240),
    Camera(4, (180, 0, 200), 16, 6, (0.1, 0.4, 1), 0.5, (1.18, 1, 0.7), 0.85, 1.05, 1, 0.02, 0.7, 5, 80, 200),
    Camera(5, (-90, -60, -120), 10, 10, (0.9, 0.1, 0.5), 1.2, (0.98, 1.03, 1.06), 1.2, 1.2, 0.9, 0.05, 0.7, 3, 75, 160),
    Camera(6, (30, 200, 90), 20, 8, (-0.9, 0.3, 0.5), 0.9, (0.9, 0.98, 1.15), 0.75, 1.1, 0.85, 0.05, 0.9, 6, 65, 150),
    Camera(7, (0, 180, 10), 10, 5, (0.3, 0.9, 0.6), 0.6, (1.05, 1.05, 0.92), 1.15, 0.95, 1, 0.03, 0.4, 2.5, 88, 250),
    Camera(8, (150, 210, -90), 18, 6, (0.2, 0.1, 1), 0.5, (1.1, 0.96, 0.96), 0.8, 0.9, 0.8, 0.08, 0.7, 5, 75, 190),
    Camera(9, (0, 60, 90), 9, 9, (0.8, 0.6, 0.7), 1.1, (0.94, 1, 1.08), 1.25, 1.15, 0.95, 0, 0.6, 3.5, 80, 175),
)  # fmt: skip


class Crowd(NamedTuple):
    """Who else is in an image, whole, beside, behind and before the one who is meant; rng places them."""

    people: tuple[Person, ...] = ()
    rng: np.random.Generator | None = None


NOBODY = Crowd()


class Picture(NamedTuple):
    """One photograph cut by two boxes; each an (H, W, 3) uint8 RGB crop with its (H, W) uint8 part map."""

    labeled: np.ndarray
    labeled_parts: np.ndarray
    detected: np.ndarray
    detected_parts: np.ndarray


def take(
    person: Person,
    camera: Camera,
    view: Image.Image,
    track: np.random.Generator,
    rng: np.random.Generator,
    occlusion: float,
    light: float,
    crowd: Crowd = NOBODY,
) -> Picture:
    """Photographs a person.

    Args:
        person, camera: who, and by which of the ten.
        view: what `scene.paint` gave for this camera.
        track: a generator that starts alike for all images of this person by this camera (which way he walks).
        rng: this image's own generator.
        occlusion: how often something or somebody hides parts of him, see `rga.data.synthetic`.
        light: 1 for the cameras as they are, 0 for cameras that reproduce colours alike.
        crowd: people who walk along with him.

    Returns:
        The crops of both kinds of boxes, with their part maps.
    """
    facing = camera.facing[track.integers(len(camera.facing))] + track.normal(0, 12) + rng.normal(0, 14)
    strides = track.random() < 0.85
    layer = _figure(person, camera, np.radians(facing), strides, rng)
    dx, dy = int(rng.integers(0, scene.WIDTH - CANVAS[0])), int(rng.integers(-26, 27))
    corner = (dx, scene.GROUND - FEET[1] + dy)
    canvas = view.crop((*corner, corner[0] + CANVAS[0], corner[1] + CANVAS[1]))
    parts = Image.new("L", CANVAS)

    somebody_behind, somebody_before, something = rng.random(3) < np.array([0.45, 0.25, 0.4]) * occlusion
    behind, before = _companions(crowd, camera, np.radians(facing))
    if somebody_behind:
        _bystander(canvas, parts, camera, rng, behind=True)
    for other, feet in behind:
        _paste(canvas, parts, other, feet, camera, own=False)
    box = _paste(canvas, parts, layer, FEET, camera)
    for other, feet in before:
        _paste(canvas, parts, other, feet, camera, own=False)
    if somebody_before:
        _bystander(canvas, parts, camera, rng, behind=False)
    if something:
        _occlude(canvas, parts, rng)

    tall = camera.tall * person.height / 1.7 * np.clip(rng.normal(1, 0.10), 0.8, 1.2)
    zoom = float(np.clip(tall / (box[3] - box[1]), 100 / 272, 275 / 272))
    size = tuple(round(s * zoom) for s in CANVAS)
    frame = np.asarray(_expose(canvas.resize(size, Image.BOX), camera, zoom, light, rng))
    noise = rng.standard_normal(frame.shape, dtype=np.float32) * (camera.noise * (0.4 + 0.6 * light))
    frame = np.uint8(np.clip(frame + noise + 0.5, 0, 255))
    small = np.asarray(parts.resize(size, Image.NEAREST))

    labeled = _labeled_box(np.multiply(box, zoom), size, rng)
    detected = _detected_box(labeled, size, rng)
    crops = []
    for x0, y0, x1, y1 in (labeled, detected):
        crops += [_jpeg(frame[y0:y1, x0:x1], camera.quality), small[y0:y1, x0:x1]]
    return Picture(*crops)


def _figure(person: Person, camera: Camera, yaw: float, strides: bool, rng: np.random.Generator) -> Layer:
    stride = rng.uniform(0.6, 1.0) if strides else rng.uniform(0.0, 0.25)
    pose = Pose(rng.uniform(0, 2 * np.pi), stride, 0.05 * stride + rng.normal(0, 0.02), rng.normal(0, 0.25))
    pitch = np.radians(camera.pitch + rng.normal(0, 1.5))
    light = Light(camera.light, 0.75 * camera.key, 0.55)
    body = Body(person, pose)
    lofts = lower(body) + upper(body) + head(body) + carried(body)
    return render(lofts, View(yaw, pitch, camera.distance, METRE), light, rng)


def _paste(canvas: Image.Image, parts: Image.Image, layer: Layer, feet, camera: Camera, own: bool = True):
    """Puts a figure and its shadow on the canvas; returns its bounding box, pixels."""
    solid = Image.fromarray(np.where(layer.part > 0, np.uint8(255), np.uint8(0)))
    height, width = layer.part.shape
    x, y = int(feet[0] - layer.origin[0]), int(feet[1] - layer.origin[1])
    _shadow(canvas, solid, layer.origin, feet, camera)
    canvas.paste(Image.fromarray(layer.rgb), (x, y), solid.filter(ImageFilter.BoxBlur(0.5)))
    values = layer.part if own else np.zeros_like(layer.part)
    parts.paste(Image.fromarray(values), (x, y), solid)
    return x, y, x + width, y + height


def _shadow(canvas: Image.Image, solid: Image.Image, origin, feet, camera: Camera) -> None:
    """A cast shadow (the outline laid down away from the light) and the dark contact under the soles."""
    right, front, up = camera.light
    small, size = solid.reduce(4), (CANVAS[0] // 4, CANVAS[1] // 4)
    (ox, oy), (fx, fy) = np.array(origin) / 4, np.array(feet) / 4
    # A point h above the ground falls h * slant to the side and h * lay down or up the picture.
    slant, lay = -0.8 * right / up, (0.30 if front < 0.35 else -0.34)
    # Image.transform asks where in the figure each shadow pixel comes from; its height there is h = (y - fy) / lay.
    back = (1, -slant / lay, ox - fx + slant / lay * fy, 0, -1 / lay, oy + fy / lay)
    cast = small.transform(size, Image.AFFINE, back, Image.BILINEAR).filter(ImageFilter.GaussianBlur(1.4))
    contact = Image.new("L", size)
    feet_band = small.crop((0, max(0, int(oy) - 6), small.width, small.height))
    contact.paste(feet_band, (int(fx - ox), int(fy) - min(6, int(oy)) + 1))
    contact = contact.filter(ImageFilter.GaussianBlur(2.2))
    cast, contact = np.asarray(cast, np.float32), np.asarray(contact, np.float32)
    dark = np.clip(cast * (0.34 * min(camera.key, 1.0)) + contact * 0.5, 0, 165)
    mask = Image.fromarray(np.uint8(dark)).resize(CANVAS, Image.BILINEAR)
    canvas.paste((14, 14, 20), (0, 0), mask)


def _bystander(
    canvas: Image.Image, parts: Image.Image, camera: Camera, rng: np.random.Generator, behind: bool
) -> None:
    """Somebody else, half in the image; he counts as background."""
    other = random_person(rng)
    layer = _figure(other, camera, rng.uniform(-np.pi, np.pi), True, rng)
    side = -1 if rng.random() < 0.5 else 1
    x = FEET[0] + side * rng.uniform(52, 92)
    y = FEET[1] + (rng.uniform(-34, -14) if behind else rng.uniform(10, 26))
    _paste(canvas, parts, layer, (x, y), camera, own=False)


def _companions(crowd: Crowd, camera: Camera, yaw: float) -> tuple[list, list]:
    """A crowd's figures and where they stand: those behind the one who is meant, farthest first, and those before."""
    behind, before = [], []
    for number, person in enumerate(crowd.people):
        rng = crowd.rng
        layer = _figure(person, camera, yaw + rng.normal(0, 0.5), rng.random() < 0.85, rng)
        side = -1 if (number + (rng.random() < 0.25)) % 2 else 1
        if rng.random() < 0.65:
            behind.append((layer, (FEET[0] + side * rng.uniform(28, 66), FEET[1] - rng.uniform(3, 30))))
        else:  # not so near that nothing is left of him
            before.append((layer, (FEET[0] + side * rng.uniform(46, 78), FEET[1] + rng.uniform(3, 22))))
    nearness = lambda figure: figure[1][1]  # noqa: E731
    return sorted(behind, key=nearness), sorted(before, key=nearness)


def _occlude(canvas: Image.Image, parts: Image.Image, rng: np.random.Generator) -> None:
    thing = scene.occluder(rng, METRE, CANVAS[1] - 10)
    side = -1 if rng.random() < 0.5 else 1
    x = int(FEET[0] - thing.width / 2 + side * rng.uniform(18, 66))
    mask = thing.getchannel("A")
    canvas.paste(thing, (x, 0), mask)
    parts.paste(0, (x, 0), mask.point(lambda v: 255 * (v > 127)))


def _expose(
    image: Image.Image, camera: Camera, zoom: float, light: float, rng: np.random.Generator
) -> Image.Image:
    """The lens's blur, saturation, then white balance, exposure, contrast and haze as a lookup table per channel."""
    sigma = camera.blur * zoom * 280 / 256 * rng.uniform(0.8, 1.3)
    image = image.filter(ImageFilter.BoxBlur(1.2 * sigma))
    grey = 1 - (1 - camera.saturation) * light
    if grey != 1:
        image = image.convert("RGB", matrix=_saturation(grey))
    level = np.arange(256) / 255
    drift = rng.normal(0, 0.05)  # clouds pass, lamps flicker
    tables = []
    for gain in camera.gain:
        value = level**2.2 * (gain * camera.exposure) ** light * np.exp(drift)
        value = np.clip(value, 0, 4) ** (1 / 2.2)
        value = 0.45 + (value - 0.45) * camera.contrast**light
        value = value + (0.8 - value) * camera.haze * light
        value = np.where(
            value > 0.8, 0.8 + 0.2 * np.tanh((value - 0.8) / 0.2), value
        )  # no clipped highlights
        tables.append(np.clip(np.rint(value * 255), 0, 255).astype(int))
    return image.point(np.concatenate(tables).tolist())


def _saturation(s: float) -> tuple[float, ...]:
    """Pillow's 3 x 4 colour matrix that keeps s of the distance from grey."""
    luma = np.array([0.30, 0.59, 0.11])
    matrix = s * np.eye(3) + (1 - s) * luma
    return tuple(float(v) for v in np.concatenate([matrix, np.zeros((3, 1))], 1).ravel())


def _labeled_box(
    box: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A box drawn by hand: tight, of about the proportions of CUHK03's."""
    x0, y0, x1, y1 = box
    tall = (y1 - y0) * rng.uniform(1.02, 1.07)
    wide = np.clip((x1 - x0) * rng.uniform(1.02, 1.08), 0.33 * tall, 0.45 * tall)
    cx, cy = (x0 + x1) / 2 + rng.normal(0, 0.01) * tall, (y0 + y1) / 2 + rng.normal(0, 0.006) * tall
    return _inside(cx, cy, wide, tall, size)


def _detected_box(box, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A box found by a detector: shifted, too large or too small, now and then without the feet or the head."""
    x0, y0, x1, y1 = box
    tall = (y1 - y0) * np.clip(rng.normal(1.04, 0.07), 0.86, 1.22)
    wide = tall * np.clip(rng.normal(0.40, 0.03), 0.33, 0.48)
    cx = (x0 + x1) / 2 + rng.normal(0, 0.03) * tall
    cy = (y0 + y1) / 2 + rng.normal(0, 0.025) * tall
    if rng.random() < 0.12:
        cy += rng.choice([-1, 1]) * rng.uniform(0.07, 0.15) * tall
    return _inside(cx, cy, wide, tall, size)


def _inside(
    cx: float, cy: float, wide: float, tall: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A box of whole pixels within a frame and within the sizes that CUHK03 has."""
    wide, tall = int(np.clip(wide, 40, min(size[0], 110))), int(np.clip(tall, 100, min(size[1], 300)))
    x0, y0 = int(np.clip(cx - wide / 2, 0, size[0] - wide)), int(np.clip(cy - tall / 2, 0, size[1] - tall))
    return x0, y0, x0 + wide, y0 + tall


def _jpeg(crop: np.ndarray, quality: int) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(crop).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
