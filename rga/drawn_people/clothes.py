"""What a person wears from the neck down, and the skin where nothing is worn. Lengths are shares of the height."""

import numpy as np

from rga.drawn_people.body import SIDES, UP, Body, closed, rotation, stack, tube
from rga.drawn_people.cloth import mix, pattern, pleated
from rga.drawn_people.draw import Loft, Paint, Surface
from rga.drawn_people.person import Garment, Part

SKIRTS = ("skirt", "long skirt")
HEMS = {"t-shirt": 0.485, "shirt": 0.475, "sweater": 0.485, "hoodie": 0.475, "jacket": 0.47, "vest": 0.49}
LEG = np.array(
    [0.048, 0.051, 0.046, 0.040, 0.034, 0.031, 0.033, 0.032, 0.026, 0.021, 0.020]
)  # radii, hip to ankle
ARM_AT = np.array([0.0, 0.06, 0.22, 0.40, 0.48, 0.54, 0.66, 0.84, 1.0])  # shoulder to wrist
ARM = np.array(
    [0.016, 0.026, 0.0305, 0.030, 0.0265, 0.0245, 0.0245, 0.0245, 0.020, 0.0155]
)  # from inside the chest


def lower(body: Body) -> list[Loft]:
    """Legs, trousers or skirt, and shoes."""
    p, h, bottom = body.person, body.h, body.person.bottom
    bare = LEG * h * (0.55 + 0.45 * p.weight)
    lofts = []
    for side in SIDES:
        cloth = _lower_paint(bottom, side)
        if bottom.kind in ("jeans", "trousers"):
            ease = bottom.loose * np.array([0.0, 0.25, 0.35, 0.45, 0.6, 0.7, 0.55, 0.6, 0.8, 1.0, 1.1])
            lofts.append(Loft(closed(body.leg(side, bare + ease)), Part.LEGS, cloth, folds=0.5))
        else:
            skin = bottom.colour if bottom.kind in ("tights", "leggings") else p.skin
            shown = body.leg(side, bare[4:], 0.4) if bottom.kind == "shorts" else body.leg(side, bare)
            lofts.append(Loft(closed(shown), Part.LEGS, skin.rgb, folds=0.05))
        if bottom.kind == "shorts":
            radii = bare[:6] + bottom.loose * np.linspace(0.3, 1.6, 6)
            lofts.append(Loft(closed(body.leg(side, radii, 0.0, 0.46)), Part.LEGS, cloth, folds=0.4))
        lofts += _shoe(body, side)
    if p.top.kind in ("coat", "dress"):
        return lofts  # it hangs over whatever is worn at the hips
    if bottom.kind in SKIRTS:
        hem = 0.30 if bottom.kind == "skirt" else 0.13
        lofts.append(_skirt(body, 0.60 * h, hem * h, Part.LEGS, _lower_paint(bottom, 0)))
    else:
        rows = [(z, width + 0.004, depth + 0.004, y) for z, width, depth, y in body.trunk[:5]]
        seat = stack([(rows[0][0] - 0.01, 0, 0, rows[0][3]), *rows])
        lofts.append(Loft(body.place_hips(seat), Part.LEGS, _lower_paint(bottom, 0), folds=0.15))
    return lofts


def _lower_paint(bottom: Garment, side: int) -> Paint:
    """Paint of trousers and shorts (side: which leg) and of skirts (side 0)."""

    def paint(s: Surface) -> np.ndarray:
        rgb = pattern(bottom, s.around * 0.14, s.along, 0)
        if bottom.kind == "jeans":  # worn lighter on the thighs
            worn = np.exp(-(((s.along - 0.25) / 0.16) ** 2)) * np.clip(np.sin(s.around), 0, 1)
            rgb = rgb * (1 + 0.22 * worn[:, None])
        if bottom.pattern == "side stripe" and side:
            rgb = mix(rgb, bottom.accent.rgb, np.cos(s.around) * side > 0.93)
        elif side:  # seams
            rgb = rgb * np.where(np.abs(np.cos(s.around)) > 0.985, 0.84, 1)[:, None]
        return rgb

    return paint


def _skirt(body: Body, waist: float, hem: float, part: Part, paint: Paint) -> Loft:
    """A loft from the waist to the hem with room for both legs where they are; a coat or dress if part is TORSO."""
    h = body.h
    rows = []
    legs = [np.array([body.ankle[s], body.knee[s], body.hip[s]]) for s in SIDES]
    for t in np.linspace(0, 1, 9):
        z = waist + (hem - waist) * t
        width, depth, y = body.trunk_at(max(z, 0.5 * h))
        ease = body.ease(z) if part == Part.TORSO else 0.3 * body.person.bottom.loose
        below = np.clip((0.54 * h - z) / (0.07 * h), 0, 1)
        xs, ys = ([np.interp(z + body.lift, leg[:, 2], leg[:, i]) for leg in legs] for i in (0, 1))
        thigh = np.interp(z / h, [0.2, 0.28, 0.47], [0.038, 0.046, 0.068]) * h * body.person.weight
        # With one leg before the other they stand in the corners of the ring, which takes more room.
        width = max(width + 0.75 * ease + 0.08 * t * below, below * (abs(xs[1] - xs[0]) * 0.5 + thigh))
        depth = max(depth + ease + 0.03 * t * below, below * (abs(ys[1] - ys[0]) * 0.58 + thigh))
        rows.append((z, width + 0.003, depth + 0.003, y * (1 - below) + below * sum(ys) / 2))
    return Loft(stack(rows, at=body.lift * UP), part, pleated(paint), folds=0.16)


def _shoe(body: Body, side: int) -> list[Loft]:
    h, shoe, skin = body.h, body.person.shoes, body.person.skin.rgb
    soles = {
        "sneakers": (225, 224, 218),
        "leather": (40, 30, 26),
        "boots": (36, 30, 28),
        "flats": (60, 48, 42),
    }
    # Rings across the foot from heel to toe: y, half width, half height.
    rows = np.array([
        (-0.040, 0.004, 0.006), (-0.041, 0.017, 0.021), (-0.020, 0.0195, 0.027), (0.010, 0.0195, 0.025),
        (0.042, 0.022, 0.0185), (0.075, 0.0245, 0.0145), (0.098, 0.020, 0.0115), (0.110, 0.010, 0.008),
        (0.111, 0.002, 0.004),
    ]) * h  # fmt: skip
    rows[:, 1:] *= {"sneakers": (1.1, 1.1), "boots": (1.1, 1.1), "flats": (1.0, 0.82)}.get(shoe.kind, (1, 1))
    keys = np.zeros((len(rows), 3, 3))
    keys[:, 0, 1], keys[:, 0, 2] = rows[:, 0], rows[:, 2] - 0.043 * h
    keys[:, 1, 0], keys[:, 2, 2] = rows[:, 1], rows[:, 2]
    keys = keys @ (rotation(-0.14 * side, 0) @ rotation(0, -body.toes[side])).T  # toes a little outwards
    keys[:, 0] += body.ankle[side]

    def paint(s: Surface) -> np.ndarray:
        upward = np.sin(s.around)
        rgb = mix(shoe.colour.rgb, soles[shoe.kind], upward < (-0.45 if shoe.kind == "sneakers" else -0.72))
        if shoe.kind == "sneakers":
            laces = (upward > 0.7) & (s.along % 0.03 < 0.012) & (abs(s.along - 0.14) < 0.05)
            rgb = mix(rgb, (238, 238, 234), 0.9 * laces)
        if shoe.kind == "flats":  # the instep shows
            rgb = mix(rgb, skin, (upward > 0.1) & (abs(s.along - 0.11) < 0.055))
        return rgb

    gloss = 0.5 if shoe.kind in ("leather", "boots") else 0.12
    lofts = [Loft(keys.reshape(-1, 9), Part.SHOES, paint, boxy=0.8, gloss=gloss)]
    if shoe.kind == "boots" and body.person.bottom.loose < 0.014:  # else the trousers hang over the shaft
        radii = (
            np.linspace(0.034, 0.028, 5) * h * (0.55 + 0.45 * body.person.weight) + body.person.bottom.loose
        )
        shaft = closed(body.leg(side, radii, 0.72, 1.04))
        lofts.append(Loft(shaft, Part.SHOES, shoe.colour.rgb, gloss=0.3, folds=0.1))
    return lofts


def upper(body: Body) -> list[Loft]:
    """The upper garment, its collar and sleeves, arms and hands."""
    h, top = body.h, body.person.top
    paint = _upper_paint(body)
    lofts, flare = [], 0.008
    if top.kind in ("coat", "dress"):
        hem, flare = 0.59, 0.0
        lofts.append(_skirt(body, 0.64 * h, (0.29 if top.kind == "coat" else 0.27) * h, Part.TORSO, paint))
    else:
        hem = 0.53 if body.person.bottom.kind in SKIRTS else HEMS[top.kind]
    heights = np.concatenate([[hem * h], body.trunk[body.trunk[:, 0] > (hem + 0.015) * h, 0]])
    rows = []
    for z in heights:
        width, depth, y = body.trunk_at(z)
        room, out = body.ease(z), flare * max(0.0, 1 - (z - hem * h) / 0.12)
        rows.append((z, width + 0.75 * room + out, depth + room + out, y))
    keys = body.place(stack(rows))
    lofts.append(Loft(keys, Part.TORSO, paint, boxy=0.88, folds=0.35, logo=_logo(body)))
    lofts += _collar(body)
    for side in SIDES:
        lofts += _arm(body, side) + _hand(body, side)
    return lofts


def _logo(body: Body):
    """Where on the trunk the print is, on chest and back alike; None for no print."""
    logo, h = body.person.logo, body.h
    if logo is None:
        return None

    def where(s: Surface) -> np.ndarray:
        x, y, z = body.local(s.point).T
        x, z = x * np.sign(y) / (0.062 * h), (z - 0.715 * h) / (0.055 * h)
        return {
            "square": lambda: (np.maximum(abs(x), abs(z)) < 0.85) & (np.maximum(abs(x), abs(z)) > 0.45),
            "disc": lambda: x**2 + z**2 < 0.85,
            "bars": lambda: (abs(x) < 1) & (abs(z) < 1) & ((z + 1) % 0.66 < 0.36),
            "text": lambda: (abs(x) < 1.15) & (abs(z) < 0.34) & ((x + 2) % 0.42 < 0.28),
            "triangle": lambda: (abs(x) < (0.9 - z) * 0.55) & (z > -0.8),
        }[logo.kind]()

    return where


def _upper_paint(body: Body) -> Paint:
    """Paint of the upper garment on the trunk, and below the waist for coats and dresses."""
    p, top, h = body.person, body.person.top, body.h
    base, accent, skin = (np.float32(c.rgb) for c in (top.colour, top.accent, p.skin))
    under = accent if top.kind in ("jacket", "coat") else skin  # what shows at the throat
    neckline = {"t-shirt": 0.020, "vest": 0.045, "dress": 0.035, "sweater": 0.012}.get(top.kind)
    logo = _logo(body)

    def paint(s: Surface) -> np.ndarray:
        x, y, z = body.local(s.point).T
        rgb = pattern(top, np.arctan2(y, x) * 0.155, z, h)
        front, metres, z = y > 0, z, z / h
        if top.pattern == "open":
            half = np.interp(z, [0.3, 0.5, 0.72, 0.82, 0.85], [0.075, 0.05, 0.034, 0.026, 0.03])
            gap = front & (abs(x) < half)
            edge = front & (abs(x) < half + np.where(z > 0.64, 0.030, 0.008))
            inside = np.where(z[:, None] < 0.54, p.bottom.colour.rgb, under)
            rgb = mix(
                mix(rgb, base * 0.78, edge), inside, gap & (z > (0.5 if top.kind == "jacket" else 0.46))
            )
        elif top.pattern in ("zip", "buttons") or top.kind == "shirt":
            rgb = mix(rgb, base * (0.55 if base.mean() > 70 else 1.7), 0.7 * (front & (abs(x) < 0.005)))
            if top.pattern != "zip":
                buttons = front & (abs(x - 0.012) < 0.008) & (metres % 0.09 < 0.014)
                rgb = mix(rgb, base * 0.4 if base.mean() > 90 else base + 70, buttons)
            if top.kind != "hoodie":
                rgb = mix(rgb, under, front & (z > 0.822) & (abs(x) < (z - 0.815) * h * 0.55))
        if neckline:
            rgb = mix(rgb, skin, front & (z > 0.842 - neckline + (x / (0.055 * h)) ** 2 * neckline * 0.8))
        if top.kind == "hoodie":  # the outline of its pocket
            slant = abs(x) + (z - 0.55) * 0.4
            pocket = front & (abs(z - 0.57) < 0.035) & (slant < 0.085)
            rgb = mix(rgb, base * 0.84, pocket & ((abs(z - 0.57) > 0.031) | (slant > 0.074)))
        if top.kind in ("sweater", "hoodie"):  # the rib at the hem
            rgb = rgb * np.where(s.along < 0.04, 0.85, 1)[:, None]
        if top.pattern == "belt":
            rgb = mix(rgb, accent, abs(z - 0.615) < 0.011)
        return rgb if logo is None else mix(rgb, p.logo.colour.rgb, logo(s))

    return paint


def _collar(body: Body) -> list[Loft]:
    top = body.person.top
    colour = np.float32(top.colour.rgb) * 0.92
    if top.kind in ("shirt", "jacket", "coat"):
        gap = 0.28 if top.pattern == "open" else 0.12
        rings = [(0.836, 0.054, 0.046, -0.002), (0.846, 0.044, 0.041, -0.001), (0.874, 0.038, 0.039, 0.003)]
        return [_ring(body, rings, colour, lambda t, around: abs(around - np.pi / 2) > gap + 0.5 * t)]
    if top.kind == "hoodie":
        hood = [
            (0.800, 0.050, 0.015, -0.052), (0.815, 0.066, 0.034, -0.046), (0.845, 0.062, 0.036, -0.038),
            (0.868, 0.045, 0.022, -0.034), (0.872, 0, 0, -0.030),
        ]  # fmt: skip
        rings = [(0.832, 0.058, 0.050, 0.0), (0.850, 0.048, 0.044, 0.002), (0.864, 0.040, 0.034, 0.004)]
        return [_ring(body, hood, colour), _ring(body, rings, colour, lambda t, a: abs(a - np.pi / 2) > 0.35)]
    if top.kind == "sweater":
        rings = [(0.836, 0.051, 0.043, -0.002), (0.852, 0.040, 0.037, 0.0), (0.858, 0.036, 0.032, 0.001)]
        return [_ring(body, rings, colour)]
    return []


def _ring(body: Body, rows, colour: np.ndarray, keep=None) -> Loft:
    return Loft(body.place(stack(np.array(rows) * body.h)), Part.TORSO, colour, folds=0.1, keep=keep)


def _arm(body: Body, side: int) -> list[Loft]:
    """A sleeve, and skin only where no cloth covers it: two surfaces too close flicker through each other."""
    p, h, top = body.person, body.h, body.person.top
    radii = ARM * h * (0.6 + 0.4 * p.weight) * (1.04 - 0.13 * p.figure)
    inside = body.turn @ np.array([-side * 0.052, -0.005, 0.019]) * h  # where the arm grows out of the chest
    path = body.arm(side, ARM_AT)
    path[0] += 0.5 * inside + 0.004 * UP
    path = np.concatenate([[body.shoulder[side] + inside], path])
    if top.kind == "vest":
        return [Loft(closed(tube(path, radii)), Part.ARMS, p.skin.rgb)]
    short = top.kind in ("t-shirt", "dress")
    first_bare = 3 if short else 8
    skin = Loft(closed(tube(path[first_bare:], radii[first_bare:])), Part.ARMS, p.skin.rgb)
    if short:
        path = np.concatenate([path[:4], [0.4 * path[3] + 0.6 * path[4]]])
    ease = top.loose * np.linspace(0.3, 0.62, len(path)) + 0.002
    ease[:2] *= 0.6
    cuff = 0.95 * np.linalg.norm(np.diff(path, axis=0), axis=1).sum()

    def paint(s: Surface) -> np.ndarray:
        # Stripes are level with those of the trunk; checks follow the sleeve.
        up = (
            body.local(s.point)[:, 2] if "stripes" in top.pattern and top.pattern != "pinstripes" else s.along
        )
        rgb = pattern(top, s.around * 0.05, up, 0)
        if top.pattern == "raglan":
            rgb = np.float32(top.accent.rgb)
        return rgb * np.where(s.along > cuff, 0.82, 1)[:, None]

    sleeve = tube(path, radii[: len(path)] + ease)
    return [skin, Loft(sleeve, Part.ARMS, paint, folds=0.25 if short else 0.5)]


def _hand(body: Body, side: int) -> list[Loft]:
    h, skin = body.h, body.person.skin.rgb
    wrist, reach = body.wrist[side], body.hand[side] - body.wrist[side]
    along = np.array([-0.1, 0.0, 0.3, 0.6, 0.9, 1.0])
    palm = [(0.011, 0.014), (0.012, 0.016), (0.014, 0.022), (0.013, 0.021), (0.010, 0.015), (0.003, 0.005)]
    inner = body.turn @ np.array([-side * 0.3, 0.9, 0]) * h
    thumb = [wrist + 0.18 * reach, wrist + 0.32 * reach + 0.018 * inner, wrist + 0.58 * reach + 0.024 * inner]
    return [
        Loft(tube(wrist + along[:, None] * reach, np.array(palm) * h), Part.ARMS, skin),
        Loft(tube(thumb, np.array([0.008, 0.008, 0.004]) * h), Part.ARMS, skin),
    ]
