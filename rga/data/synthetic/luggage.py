"""What a person carries: backpacks, bags and things in the hand."""

import numpy as np

from .body import Body, box, stack, tube, turning
from .draw import Loft, Surface
from .person import Item, Part


def carried(body: Body) -> list[Loft]:
    p = body.person
    lofts = []
    if p.backpack is not None:
        lofts += _backpack(body, p.backpack)
    if p.bag is not None:
        lofts += _bag(body, p.bag)
    if p.held is not None:
        lofts += _held(body, p.held)
    return lofts


def _wrap(body: Body, points, radius: float, part: int, colour) -> Loft:
    """A strap through trunk points (angle round the body, height as a fraction), just outside the clothes."""
    path = []
    for angle, z in points:
        w, d, y = body.trunk_at(z * body.h)
        ease = body.person.top.loose + 0.010
        c, s = np.cos(angle), np.sin(angle)
        path.append(
            [
                (w + ease * 0.8) * np.sign(c) * abs(c) ** 0.85,
                y + (d + ease) * 1.04 * np.sign(s) * abs(s) ** 0.85,
                z * body.h,
            ]
        )
    keys = tube(path, np.full(len(path), radius), across=np.array([0.31, 0.2, 0.93]))
    return Loft(body.place(keys), part, colour)


def _backpack(body: Body, pack: Item) -> list[Loft]:
    h, colour = body.h, np.asarray(pack.colour.rgb, np.float32)
    _, d, y = body.trunk_at(0.70 * h)
    tall = 0.125 if pack.kind == "rucksack" else 0.105
    centre = np.array([0, y - d - body.person.top.loose - 0.046 * h, 0.700 * h])

    def paint(s: Surface) -> np.ndarray:
        q = body.local(s.point) - centre
        z = q[:, 2] / (tall * h)
        rgb = np.broadcast_to(colour, (len(z), 3))
        pocket = (z < 0.0) & (z > -0.8) & (abs(q[:, 0]) < 0.065 * h) & (q[:, 1] < 0)
        rgb = rgb * np.where(pocket, 0.80, 1)[:, None]
        seam = (abs(z - 0.05) < 0.03) | (abs(z - 0.55) < 0.025)
        return rgb * np.where(seam, 0.6, 1)[:, None]

    rows = [
        (-1, 0, 0),
        (-1, 0.9, 0.9),
        (-0.95, 1.0, 1.1),
        (-0.3, 1.03, 1.15),
        (0.3, 1.0, 1.0),
        (0.8, 0.9, 0.8),
        (1.0, 0.62, 0.5),
        (1.04, 0, 0),
    ]
    keys = stack([(z * tall * h, w * 0.086 * h, k * 0.048 * h, 0) for z, w, k in rows], at=centre)
    lofts = [Loft(body.place(keys), Part.BACKPACK, paint, boxy=0.62, folds=0.10)]
    strap = tuple(int(v) for v in colour * 0.72)
    for side in (1, -1):
        turn = lambda a, side=side: a if side > 0 else np.pi - a  # noqa: E731
        path = [
            (turn(-1.0), 0.80),
            (turn(-0.9), 0.835),
            (turn(0.3), 0.845),
            (turn(0.95), 0.825),
            (turn(1.0), 0.77),
            (turn(0.8), 0.70),
            (turn(0.35), 0.65),
            (turn(-0.5), 0.63),
            (turn(-1.2), 0.62),
        ]
        lofts.append(_wrap(body, path, 0.0085 * h, Part.BACKPACK, strap))
    return lofts


def _bag(body: Body, bag: Item) -> list[Loft]:
    h, colour = body.h, np.asarray(bag.colour.rgb, np.float32)
    dark = tuple(int(v) for v in colour * 0.7)

    def panel(centre):
        def paint(s: Surface) -> np.ndarray:
            z = (s.point[:, 2] - centre[2]) / h
            flap = (z > -0.005) & (abs(z + 0.005) < 0.006)
            shade = np.where(flap, 0.6, np.where(z > -0.005, 0.93, 1.0))
            return colour * shade[:, None]

        return paint

    side = -1
    if bag.kind in ("crossbody", "tote"):
        low = 0.50 if bag.kind == "crossbody" else 0.56
        half = (0.026, 0.078, 0.056) if bag.kind == "crossbody" else (0.030, 0.088, 0.085)
        half = np.array(half) * h
        w, _, y = body.trunk_at(low * h)
        centre = np.array([side * (w + body.person.top.loose + half[0] + 0.006), y + 0.004 * h, low * h])
        keys = body.place(box(centre, half))
        middle = keys[:, 0:3].mean(0)
        lofts = [Loft(keys, Part.BAG, panel(middle), boxy=0.5, shine=0.15)]
        if bag.kind == "crossbody":
            for face in (1, -1):
                points = [
                    (np.pi - 0.35 * face, low + 0.05),
                    (np.pi - 0.9 * face, 0.64),
                    (np.pi - 1.45 * face, 0.70),
                    (1.15 * face, 0.775),
                    (0.95 * face, 0.825),
                    (0.5 * face, 0.845),
                    (0.0, 0.85),
                ]
                lofts.append(_wrap(body, points, 0.0065 * h, Part.BAG, dark))
        else:
            for face in (1, -1):
                points = [
                    (np.pi - 0.55 * face, low + 0.08),
                    (np.pi - 0.75 * face, 0.72),
                    (np.pi - 0.9 * face, 0.79),
                    (np.pi - 0.7 * face, 0.835),
                    (np.pi, 0.845),
                ]
                lofts.append(_wrap(body, points, 0.0065 * h, Part.BAG, dark))
        return lofts
    hand = body.joints.hand[side] * 0.6 + body.joints.wrist[side] * 0.4
    half = {
        "handbag": (0.030, 0.075, 0.055),
        "briefcase": (0.020, 0.105, 0.070),
        "shopping": (0.034, 0.075, 0.095),
    }[bag.kind]
    half = np.array(half) * h
    drop = {"handbag": 0.050, "briefcase": 0.020, "shopping": 0.055}[bag.kind] * h
    centre = hand + np.array([side * 0.012 * h, 0.01 * h, -drop - half[2]])
    lofts = [
        Loft(
            box(centre, half),
            Part.BAG,
            panel(centre),
            boxy=0.45,
            shine=0.15,
            folds=0.2 if bag.kind == "shopping" else 0,
        )
    ]
    top = centre + [0, 0, half[2]]
    for end in (-0.55, 0.55):
        path = [
            top + [0, half[1] * end, -0.004],
            top + [0, half[1] * end * 0.9, drop * 0.6],
            hand + [0, half[1] * end * 0.25, 0.0],
        ]
        lofts.append(Loft(tube(path, np.full(3, 0.0048 * h)), Part.BAG, dark))
    return lofts


def _held(body: Body, held: Item) -> list[Loft]:
    h, colour = body.h, held.colour.rgb
    hand = body.joints.hand[1] * 0.6 + body.joints.wrist[1] * 0.4
    if held.kind == "phone":
        return [
            Loft(
                box(body.joints.hand[1], np.array([0.008, 0.020, 0.040]) * h),
                Part.HELD,
                colour,
                boxy=0.5,
                shine=0.4,
            )
        ]
    if held.kind == "cup":
        rows = [
            (-0.03, 0, 0, 0),
            (-0.03, 0.015, 0.015, 0),
            (0.03, 0.021, 0.021, 0),
            (0.034, 0.022, 0.022, 0),
            (0.036, 0, 0, 0),
        ]
        return [Loft(stack(np.array(rows) * h * 1.1, at=hand + [0, 0.025 * h, 0.012 * h]), Part.HELD, colour)]
    if held.kind == "bottle":
        rows = [
            (-0.07, 0, 0, 0),
            (-0.07, 0.019, 0.019, 0),
            (0.02, 0.020, 0.020, 0),
            (0.045, 0.009, 0.009, 0),
            (0.06, 0.009, 0.009, 0),
            (0.06, 0, 0, 0),
        ]
        return [Loft(stack(np.array(rows) * h, at=hand), Part.HELD, colour, shine=0.8)]
    if held.kind == "umbrella":
        rows = [
            (-0.30, 0.003, 0.003, 0),
            (-0.27, 0.006, 0.006, 0),
            (-0.10, 0.020, 0.020, 0),
            (0.0, 0.016, 0.016, 0),
            (0.02, 0.006, 0.006, 0),
            (0.04, 0.006, 0.006, 0),
        ]
        return [Loft(stack(np.array(rows) * h, turning(0, -0.15), hand), Part.HELD, colour, folds=0.5)]
    centre = (body.joints.elbow[1] + body.joints.wrist[1]) / 2 + [-0.02 * h, 0.01 * h, -0.01 * h]
    return [
        Loft(
            box(centre, np.array([0.012, 0.085, 0.062]) * h, turning(0, 0.15)),
            Part.HELD,
            colour,
            boxy=0.35,
        )
    ]
