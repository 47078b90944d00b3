"""What a person carries: backpack, bag, and something in the hand. Lengths are shares of the height."""

import numpy as np

from rga.drawn_people.body import SIDES, Body, box, rotation, stack, tube
from rga.drawn_people.draw import Loft, Paint, Surface
from rga.drawn_people.person import Item, Part

STRAP = 0.0065  # radius


def carried(body: Body) -> list[Loft]:
    """Everything that is carried."""
    p = body.person
    lofts = _backpack(body, p.backpack) if p.backpack else []
    if p.bag:
        lofts += _slung(body, p.bag) if p.bag.kind in ("crossbody", "tote") else _in_hand(body, p.bag)
    return lofts + (_held(body, p.held) if p.held else [])


def _strap(body: Body, points, radius: float, part: Part, colour) -> Loft:
    """A strap over the clothes; points of (angle round the trunk as in Surface.around, height)."""
    path = []
    for angle, z in points:
        width, depth, y = body.trunk_at(z * body.h)
        room = body.person.top.loose + 0.010
        c, s = (np.sign(v) * abs(v) ** 0.85 for v in (np.cos(angle), np.sin(angle)))
        path.append([(width + 0.8 * room) * c, y + 1.04 * (depth + room) * s, z * body.h])
    # Straps run in all directions; this one is none of them, so that the tube never twists.
    keys = tube(path, np.full(len(path), radius * body.h), across=np.array([0.31, 0.2, 0.93]))
    return Loft(body.place(keys), part, colour)


def _backpack(body: Body, pack: Item) -> list[Loft]:
    h, colour = body.h, np.float32(pack.colour.rgb)
    _, depth, y = body.trunk_at(0.70 * h)
    tall = (0.125 if pack.kind == "rucksack" else 0.105) * h
    centre = np.array([0, y - depth - body.person.top.loose - 0.046 * h, 0.700 * h])

    def paint(s: Surface) -> np.ndarray:
        x, y, z = (body.local(s.point) - centre).T
        z = z / tall
        pocket = (z < 0.0) & (z > -0.8) & (abs(x) < 0.065 * h) & (y < 0)
        seam = (abs(z - 0.05) < 0.03) | (abs(z - 0.55) < 0.025)
        return colour * (np.where(pocket, 0.80, 1) * np.where(seam, 0.6, 1))[:, None]

    rings = [(-1, 0, 0), (-1, 0.9, 0.9), (-0.95, 1.0, 1.1), (-0.3, 1.03, 1.15), (0.3, 1, 1), (0.8, 0.9, 0.8)]
    rings += [(1.0, 0.62, 0.5), (1.04, 0, 0)]
    keys = stack([(z * tall, w * 0.086 * h, d * 0.048 * h, 0) for z, w, d in rings], at=centre)
    lofts = [Loft(body.place(keys), Part.BACKPACK, paint, boxy=0.62, folds=0.10)]
    over = [(-1.0, 0.80), (-0.9, 0.835), (0.3, 0.845), (0.95, 0.825), (1.0, 0.77), (0.8, 0.70), (0.35, 0.65)]
    over += [(-0.5, 0.63), (-1.2, 0.62)]
    for side in SIDES:
        points = [(angle if side > 0 else np.pi - angle, z) for angle, z in over]
        lofts.append(_strap(body, points, 0.0085, Part.BACKPACK, colour * 0.72))
    return lofts


def _panel(bag: Item, middle: float, height: float) -> Paint:
    """Paint of a bag: a flap that ends at its middle."""

    def paint(s: Surface) -> np.ndarray:
        z = (s.point[:, 2] - middle) / height + 0.005
        return np.float32(bag.colour.rgb) * np.where(abs(z) < 0.006, 0.6, np.where(z > 0, 0.93, 1.0))[:, None]

    return paint


def _slung(body: Body, bag: Item) -> list[Loft]:
    """A bag at the left hip: its strap across to the right shoulder, or a tote's handles over the left one."""
    h, dark, crossing = body.h, np.float32(bag.colour.rgb) * 0.7, bag.kind == "crossbody"
    low = 0.50 if crossing else 0.56
    half = np.array((0.026, 0.078, 0.056) if crossing else (0.030, 0.088, 0.085)) * h
    width, _, y = body.trunk_at(low * h)
    centre = (-(width + body.person.top.loose + half[0] + 0.006), y + 0.004 * h, low * h)
    keys = body.place(box(centre, half))
    lofts = [Loft(keys, Part.BAG, _panel(bag, keys[:, 2].mean(), h), boxy=0.5, gloss=0.15)]
    for face in (1, -1):  # before the chest and behind the back
        if crossing:
            points = [
                (np.pi - 0.35 * face, low + 0.05),
                (np.pi - 0.9 * face, 0.64),
                (np.pi - 1.45 * face, 0.70),
            ]
            points += [(1.15 * face, 0.775), (0.95 * face, 0.825), (0.5 * face, 0.845), (0.0, 0.85)]
        else:
            points = [
                (np.pi - 0.55 * face, low + 0.08),
                (np.pi - 0.75 * face, 0.72),
                (np.pi - 0.9 * face, 0.79),
            ]
            points += [(np.pi - 0.7 * face, 0.835), (np.pi, 0.845)]
        lofts.append(_strap(body, points, STRAP, Part.BAG, dark))
    return lofts


def _in_hand(body: Body, bag: Item) -> list[Loft]:
    """A bag that hangs from the left hand by two handles."""
    h, dark = body.h, np.float32(bag.colour.rgb) * 0.7
    hand = _grip(body, -1)
    half, drop = {
        "handbag": ((0.030, 0.075, 0.055), 0.050),
        "briefcase": ((0.020, 0.105, 0.070), 0.020),
        "shopping": ((0.034, 0.075, 0.095), 0.055),
    }[bag.kind]
    half, drop = np.array(half) * h, drop * h
    centre = hand + [-0.012 * h, 0.01 * h, -drop - half[2]]
    folds = 0.2 if bag.kind == "shopping" else 0.0
    lofts = [Loft(box(centre, half), Part.BAG, _panel(bag, centre[2], h), boxy=0.45, gloss=0.15, folds=folds)]
    for end in (-0.55, 0.55):
        top = centre + [0, half[1] * end, half[2]]
        path = [top, top + [0, -0.1 * half[1] * end, 0.6 * drop], hand + [0, half[1] * end * 0.25, 0]]
        lofts.append(Loft(tube(path, np.full(3, 0.0048 * h)), Part.BAG, dark))
    return lofts


def _grip(body: Body, side: int) -> np.ndarray:
    return 0.6 * body.hand[side] + 0.4 * body.wrist[side]


def _held(body: Body, held: Item) -> list[Loft]:
    """Something in the right hand."""
    h, hand, boxy, gloss = body.h, _grip(body, 1), 1.0, 0.2
    if held.kind == "phone":
        keys, boxy = box(body.hand[1], np.array([0.008, 0.020, 0.040]) * h), 0.5
    elif held.kind == "folder":  # under the arm
        middle = (body.elbow[1] + body.wrist[1]) / 2 + np.array([-0.02, 0.01, -0.01]) * h
        keys, boxy = box(middle, np.array([0.012, 0.085, 0.062]) * h, rotation(0, 0.15)), 0.35
    else:
        # z, radius
        rings, at, lean = {
            "cup": (
                [(-0.033, 0), (-0.033, 0.017), (0.033, 0.023), (0.038, 0.024), (0.04, 0)],
                (0, 0.025, 0.012),
                0,
            ),
            "bottle": (
                [(-0.07, 0), (-0.07, 0.019), (0.02, 0.020), (0.045, 0.009), (0.06, 0.009), (0.06, 0)],
                (0, 0, 0),
                0,
            ),
            "umbrella": (
                [(-0.30, 0.003), (-0.27, 0.006), (-0.10, 0.020), (0.0, 0.016), (0.02, 0.006), (0.04, 0.006)],
                (0, 0, 0),
                -0.15,
            ),
        }[held.kind]
        rows = np.array([(z, r, r, 0) for z, r in rings]) * h
        keys = stack(rows, rotation(0, lean), hand + np.array(at) * h)
    return [Loft(keys, Part.HELD, np.float32(held.colour.rgb), boxy=boxy, gloss=gloss)]
