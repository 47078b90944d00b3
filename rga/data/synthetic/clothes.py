"""What a person wears from the neck down: skin or cloth on the limbs, upper garments, skirts and shoes."""

import numpy as np

from .body import Body, closed, stack, tube
from .cloth import dim, dots, mix, pattern, pleats
from .draw import Loft, Surface
from .person import Part


def legs(body: Body) -> list[Loft]:
    p, h, w = body.person, body.h, body.person.weight
    bottom, colour = p.bottom, p.bottom.colour.rgb
    skin = p.skin.rgb
    thick = 0.55 + 0.45 * w
    bare = np.array([0.048, 0.051, 0.046, 0.040, 0.034, 0.031, 0.033, 0.032, 0.026, 0.021, 0.020]) * h * thick
    lofts = []
    for side in (-1, 1):
        if bottom.kind in ("jeans", "trousers"):
            ease = np.array([0.0, 0.25, 0.35, 0.45, 0.6, 0.7, 0.55, 0.6, 0.8, 1.0, 1.1]) * bottom.loose
            keys = body.leg(side, bare + ease, 0.0, 1.03)
            lofts.append(Loft(closed(keys), Part.LEGS, _cloth(body, bottom, side), folds=0.5))
            continue
        stocking = colour if bottom.kind in ("tights", "leggings") else skin
        lofts.append(Loft(closed(body.leg(side, bare)), Part.LEGS, stocking, folds=0.05))
        if bottom.kind == "shorts":
            keys = body.leg(side, bare + bottom.loose * np.linspace(0.3, 1.6, 11), 0.0, 0.46)
            lofts.append(Loft(closed(keys), Part.LEGS, _cloth(body, bottom, side), folds=0.4))
    if p.top.kind in ("coat", "dress"):
        pass  # they hang over whatever is worn below the waist
    elif bottom.kind in ("skirt", "long skirt"):
        lofts.append(
            _skirt(body, 0.60 * h, (0.30 if bottom.kind == "skirt" else 0.13) * h, bottom, Part.LEGS)
        )
    else:
        rows = [(z, ww + 0.004, d + 0.004, y) for z, ww, d, y in body.trunk[:5]]
        rows = [(rows[0][0] - 0.01, 0, 0, rows[0][3]), *rows]
        keys = body.place_hips(stack(rows))
        lofts.append(Loft(keys, Part.LEGS, _cloth(body, bottom, 0), folds=0.15))
    for side in (-1, 1):
        lofts += _shoe(body, side)
    return lofts


def _cloth(body: Body, garment, side: int):
    """Paint of trousers, shorts and skirts."""
    base, accent = garment.colour.rgb, garment.accent.rgb

    def paint(s: Surface) -> np.ndarray:
        rgb = np.broadcast_to(np.asarray(base, np.float32), (len(s.along), 3))
        if garment.kind == "jeans":  # worn lighter on the thighs, seams at the sides
            worn = np.exp(-(((s.along - 0.25) / 0.16) ** 2)) * np.clip(np.sin(s.around), 0, 1)
            rgb = rgb * (1 + 0.22 * worn[:, None])
        if garment.pattern == "side stripe" and side:
            outer = np.cos(s.around) * side > 0.93
            rgb = mix(rgb, accent, outer)
        elif garment.pattern == "checks":
            u, v = s.around * 0.12, s.along
            rgb = mix(rgb, dim(accent, 0.9), 0.45 * ((u % 0.06 < 0.02) * 1.0 + (v % 0.06 < 0.02)))
        elif garment.pattern == "dots":
            rgb = mix(rgb, accent, dots(s.around * 0.16, s.along, 0.07))
        if side:
            rgb = rgb * (1 - 0.16 * (np.abs(np.cos(s.around)) > 0.985))[:, None]
        return rgb

    return paint


def _skirt(body: Body, waist: float, hem: float, garment, part: int) -> Loft:
    """A loft from the waist to the hem that gives room to both legs where they are."""
    rows = []
    legs = [np.array([body.joints.ankle[s], body.joints.knee[s], body.joints.hip[s]]) for s in (-1, 1)]
    outer = part == Part.TORSO  # a coat or dress hangs over what is worn at the waist
    for t in np.linspace(0, 1, 9):
        z = waist + (hem - waist) * t
        w, d, y = body.trunk_at(max(z, 0.5 * body.h))
        ease = body.ease(z) if outer else 0.3 * garment.loose
        below = np.clip((0.54 * body.h - z) / (0.07 * body.h), 0, 1)
        x_legs, y_legs = ([np.interp(z + body.lift, leg[:, 2], leg[:, i]) for leg in legs] for i in (0, 1))
        thigh = np.interp(z / body.h, [0.2, 0.28, 0.47], [0.038, 0.046, 0.068]) * body.h * body.person.weight
        # Room for both legs; with one before the other they fill the corners of the ring.
        wide = max(w + ease * 0.75 + 0.08 * t * below, below * (abs(x_legs[1] - x_legs[0]) / 2 + thigh))
        deep = max(d + ease + 0.03 * t * below, below * (abs(y_legs[1] - y_legs[0]) * 0.58 + thigh))
        rows.append((z, wide + 0.003, deep + 0.003, y * (1 - below) + below * sum(y_legs) / 2))
    keys = stack(rows)
    keys[:, 2] += body.lift
    paint = _cloth(body, garment, 0) if part == Part.LEGS else _top_paint(body)
    return Loft(keys, part, pleats(paint), folds=0.16)


def _shoe(body: Body, side: int) -> list[Loft]:
    j, h, shoe = body.joints, body.h, body.person.shoes
    colour = shoe.colour.rgb
    sole = {
        "sneakers": (225, 224, 218),
        "leather": (40, 30, 26),
        "boots": (36, 30, 28),
        "flats": (60, 48, 42),
    }[shoe.kind]
    pitch = j.toe_pitch[side]
    c, s = np.cos(pitch), np.sin(pitch)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    out = 0.14 * side
    turn = np.array([[np.cos(out), np.sin(out), 0], [-np.sin(out), np.cos(out), 0], [0, 0, 1]]) @ turn
    # Rings across the foot from heel to toe: y, half width, half height.
    low = shoe.kind == "flats"
    rows = np.array([
        (-0.040, 0.004, 0.006), (-0.041, 0.017, 0.021), (-0.020, 0.0195, 0.027), (0.010, 0.0195, 0.025),
        (0.042, 0.022, 0.0185), (0.075, 0.0245, 0.0145), (0.098, 0.020, 0.0115), (0.110, 0.010, 0.008), (0.111, 0.002, 0.004),
    ]) * h  # fmt: skip
    if shoe.kind in ("sneakers", "boots"):
        rows[:, 1:] *= 1.1
    if low:
        rows[:, 2] *= 0.82
    keys = []
    for y, w, u in rows:
        keys.append([[0, y, u - 0.043 * h], [w, 0, 0], [0, 0, u]])
    keys = np.asarray(keys) @ turn.T
    keys[:, 0] += j.ankle[side]

    def paint(surface: Surface) -> np.ndarray:
        rim = np.sin(surface.around) < (-0.45 if shoe.kind == "sneakers" else -0.72)
        rgb = mix(colour, sole, rim)
        if shoe.kind == "sneakers":  # laces
            laces = (
                (np.sin(surface.around) > 0.7)
                & (surface.along % 0.03 < 0.012)
                & (abs(surface.along - 0.14) < 0.05)
            )
            rgb = mix(rgb, (238, 238, 234), laces * 0.9)
        if low:
            rgb = mix(
                rgb,
                body.person.skin.rgb,
                (np.sin(surface.around) > 0.1) & (abs(surface.along - 0.11) < 0.055),
            )
        return rgb

    shiny = 0.5 if shoe.kind in ("leather", "boots") else 0.12
    lofts = [Loft(keys.reshape(-1, 9), Part.SHOES, paint, boxy=0.8, shine=shiny)]
    if shoe.kind == "boots" and body.person.bottom.loose < 0.014:  # else the trousers hang over the shaft
        radii = (
            np.linspace(0.034, 0.028, 5) * h * (0.55 + 0.45 * body.person.weight) + body.person.bottom.loose
        )
        lofts.append(
            Loft(closed(body.leg(side, radii, 0.72, 1.04)), Part.SHOES, colour, shine=0.3, folds=0.1)
        )
    return lofts


def torso(body: Body) -> list[Loft]:
    p, h, top = body.person, body.h, body.person.top
    hem = {
        "t-shirt": 0.485,
        "shirt": 0.475,
        "sweater": 0.485,
        "hoodie": 0.475,
        "jacket": 0.47,
        "vest": 0.49,
    }.get(top.kind)
    paint = _top_paint(body)
    lofts = []
    if top.kind == "dress":
        hem = 0.59
        lofts.append(_skirt(body, 0.64 * h, 0.27 * h, top, Part.TORSO))
    elif top.kind == "coat":
        hem = 0.59
        lofts.append(_skirt(body, 0.64 * h, 0.29 * h, top, Part.TORSO))
    elif hem < 0.5 and p.bottom.kind in ("skirt", "long skirt"):
        hem = 0.53
    z = np.concatenate([[hem * h], body.trunk[body.trunk[:, 0] > (hem + 0.015) * h, 0]])
    rows = []
    for at in z:
        w, d, y = body.trunk_at(at)
        flare = 0.0 if top.kind in ("coat", "dress") else 0.008 * max(0.0, 1 - (at - hem * h) / 0.12)
        ease = body.ease(at)
        rows.append((at, w + ease * 0.75 + flare, d + ease + flare, y))
    lofts.append(Loft(body.place(stack(rows)), Part.TORSO, paint, boxy=0.88, folds=0.35, logo=_logo(body)))
    lofts += _collar(body)
    return lofts


def _logo_field(body: Body, s: Surface):
    """x and z of trunk points about the print's centre, in units of its half size, mirrored for the back."""
    q = body.local(s.point)
    x = q[:, 0] * np.where(q[:, 1] > 0, 1, -1)
    return x / (0.062 * body.h), (q[:, 2] - 0.715 * body.h) / (0.055 * body.h)


def _logo(body: Body):
    logo = body.person.logo
    if logo is None:
        return None

    def where(s: Surface) -> np.ndarray:
        x, z = _logo_field(body, s)
        return {
            "square": (abs(x) < 0.85) & (abs(z) < 0.85) & ~((abs(x) < 0.45) & (abs(z) < 0.45)),
            "disc": x**2 + z**2 < 0.85,
            "bars": (abs(x) < 1) & (abs(z) < 1) & ((z + 1) % 0.66 < 0.36),
            "text": (abs(x) < 1.15) & (abs(z) < 0.34) & ((x + 2) % 0.42 < 0.28),
            "triangle": (abs(x) < (0.9 - z) * 0.55) & (z > -0.8) & (z < 0.9),
        }[logo.kind]

    return where


def _top_paint(body: Body):
    """Paint of the upper garment on the trunk, and on the skirt of a coat or dress."""
    p, top, h = body.person, body.person.top, body.h
    base, accent, skin = (np.asarray(c.rgb, np.float32) for c in (top.colour, top.accent, p.skin))
    inner = accent if top.kind in ("jacket", "coat") else base
    logo = _logo(body)

    def paint(s: Surface) -> np.ndarray:
        q = body.local(s.point)
        x, y, z = q[:, 0], q[:, 1], q[:, 2] / h
        front = y > 0
        rgb = pattern(top, base, accent, np.arctan2(y, x) * 0.155, q[:, 2], h)
        if top.pattern == "open":
            gap = np.interp(z, [0.3, 0.5, 0.72, 0.82, 0.85], [0.075, 0.05, 0.034, 0.026, 0.03])
            opening = front & (abs(x) < gap)
            lapel = front & (abs(x) < gap + 0.030) & (z > 0.64) & ~opening
            rgb = mix(rgb, base * 0.78, lapel | (front & (abs(x) < gap + 0.008)))
            rgb = mix(
                rgb,
                np.where(z[:, None] < 0.54, p.bottom.colour.rgb, inner),
                opening & (z > (0.5 if top.kind == "jacket" else 0.46)),
            )
        elif top.pattern in ("zip", "buttons") or top.kind == "shirt":
            line = front & (abs(x) < 0.005)
            rgb = mix(rgb, base * (0.55 if base.mean() > 70 else 1.7), line * 0.7)
            if top.pattern == "buttons" or top.kind == "shirt":
                rgb = mix(
                    rgb,
                    base * 0.4 if base.mean() > 90 else base + 70,
                    front & (abs(x - 0.012) < 0.008) & (z * h % 0.09 < 0.014),
                )
        neck = {"t-shirt": 0.020, "vest": 0.045, "dress": 0.035, "sweater": 0.012}.get(top.kind, 0.0)
        if neck:  # the cut-out at the throat
            throat = front & (z > 0.842 - neck + (x / (0.055 * h)) ** 2 * neck * 0.8)
            rgb = mix(rgb, skin, throat)
        if top.kind in ("shirt", "jacket", "coat") and top.pattern != "open":
            throat = front & (z > 0.822) & (abs(x) < (z - 0.815) * h * 0.55)
            rgb = mix(rgb, skin if top.kind == "shirt" else inner, throat)
        if top.kind == "hoodie":
            pocket = front & (abs(z - 0.57) < 0.035) & (abs(x) < 0.085 - (z - 0.55) * 0.4)
            rgb = mix(
                rgb, base * 0.84, pocket & ((abs(z - 0.57) > 0.031) | (abs(x) > 0.074 - (z - 0.55) * 0.4))
            )
        if top.kind in ("sweater", "hoodie"):  # the rib at the hem
            rgb = rgb * np.where((z < 0.505) & (s.along < 0.08), 0.85, 1)[:, None]
        if top.pattern == "belt":
            rgb = mix(rgb, accent, abs(z - 0.615) < 0.011)
        if logo is not None:
            rgb = mix(rgb, p.logo.colour.rgb, logo(s))
        return rgb

    return paint


def _collar(body: Body) -> list[Loft]:
    p, top, h = body.person, body.person.top, body.h
    colour = tuple(int(v) for v in dim(top.colour.rgb, 0.92))
    w = 0.040 * h
    if top.kind in ("shirt", "jacket", "coat"):
        tall = 0.028 * h
        rows = [
            (0.836 * h, w * 1.35, w * 1.15, -0.003),
            (0.846 * h, w * 1.1, w * 1.02, -0.002),
            (0.846 * h + tall, w * 0.95, w * 0.98, 0.006),
        ]
        gap = 0.28 if top.pattern == "open" else 0.12
        keep = lambda t, a: abs(a - np.pi / 2) > gap + 0.5 * t  # noqa: E731
        return [Loft(body.place(stack(rows)), Part.TORSO, colour, keep=keep)]
    if top.kind == "hoodie":
        rows = [
            (0.80, 0.05, 0.015, -0.052),
            (0.815, 0.066, 0.034, -0.046),
            (0.845, 0.062, 0.036, -0.038),
            (0.868, 0.045, 0.022, -0.034),
            (0.872, 0.0, 0.0, -0.03),
        ]
        ring = [(0.832, 0.058, 0.050, 0.0), (0.850, 0.048, 0.044, 0.002), (0.864, 0.040, 0.034, 0.004)]
        return [
            Loft(body.place(stack(np.array(rows) * h)), Part.TORSO, colour, folds=0.2),
            Loft(
                body.place(stack(np.array(ring) * h)),
                Part.TORSO,
                colour,
                keep=lambda t, a: abs(a - np.pi / 2) > 0.35,
            ),
        ]
    if top.kind == "sweater":
        rows = [
            (0.836 * h, w * 1.28, w * 1.08, -0.003),
            (0.852 * h, w * 1.0, w * 0.92, 0.0),
            (0.858 * h, w * 0.9, w * 0.8, 0.002),
        ]
        return [Loft(body.place(stack(rows)), Part.TORSO, colour)]
    return []


def arms(body: Body) -> list[Loft]:
    p, h, top, j = body.person, body.h, body.person.top, body.joints
    skin = p.skin.rgb
    thick = (0.6 + 0.4 * p.weight) * (1.04 - 0.13 * p.figure) * h
    colours = base, accent = np.float32(top.colour.rgb), np.float32(top.accent.rgb)
    reach = {"t-shirt": 0.42, "vest": 0.0, "dress": 0.30}.get(top.kind, 1.0)
    lofts = []
    for side in (-1, 1):
        s, e, w = j.shoulder[side], j.elbow[side], j.wrist[side]
        inside = body.turn @ np.array([-side * 0.052 * h, -0.005 * h, 0.019 * h])
        t = np.array([0.0, 0.06, 0.22, 0.40, 0.48, 0.54, 0.66, 0.84, 1.0])
        path = np.where(t[:, None] < 0.5, s + (e - s) * (2 * t[:, None]), e + (w - e) * (2 * t[:, None] - 1))
        path[0] = s + inside * 0.5 + 0.004 * UP
        path = np.concatenate([[s + inside], path])
        radius = (
            np.array([0.016, 0.026, 0.0305, 0.030, 0.0265, 0.0245, 0.0245, 0.0245, 0.020, 0.0155]) * thick
        )
        # Skin only where it shows: cloth close over skin would flicker through.
        shown = {1.0: 9, 0.0: 0}.get(reach, 3)
        lofts.append(
            Loft(
                closed(tube(path[shown - (shown == 9) :], radius[shown - (shown == 9) :])),
                Part.ARMS,
                skin,
            )
        )
        if reach:
            count = 10 if reach == 1 else 5
            cut = (
                path[:count]
                if reach == 1
                else np.concatenate([path[:4], [path[3] + (path[4] - path[3]) * 0.6]])
            )
            ease = top.loose * np.linspace(0.3, 0.62, count) + 0.002
            ease[:2] *= 0.6
            hang = cut.copy()
            cloth = tube(hang, radius[:count] + ease)

            def paint(surface: Surface, side=side) -> np.ndarray:
                rgb = np.broadcast_to(base, (len(surface.along), 3))
                if top.pattern in (
                    "stripes",
                    "wide stripes",
                ):  # level with those of the trunk while the arm hangs
                    rgb = pattern(top, *colours, surface.around, body.local(surface.point)[:, 2], h)
                elif top.pattern in ("checks", "pinstripes", "dots"):
                    rgb = pattern(top, *colours, surface.around * 0.05, surface.along, h)
                elif top.pattern == "raglan":
                    rgb = np.broadcast_to(accent, rgb.shape)
                end = 0.95 * np.linalg.norm(np.diff(hang, axis=0), axis=1).sum()
                return rgb * np.where(surface.along > end, 0.82, 1)[:, None]

            lofts.append(Loft(cloth, Part.ARMS, paint, folds=0.5 if reach == 1 else 0.25))
        lofts += _hand(body, side, skin)
    return lofts


def _hand(body: Body, side: int, skin) -> list[Loft]:
    j, h = body.joints, body.h
    w, tip = j.wrist[side], j.hand[side]
    points = [w - (tip - w) * 0.1, w, w + (tip - w) * 0.3, w + (tip - w) * 0.6, w + (tip - w) * 0.9, tip]
    radii = (
        np.array(
            [
                (0.011, 0.014),
                (0.012, 0.016),
                (0.014, 0.022),
                (0.013, 0.021),
                (0.010, 0.015),
                (0.003, 0.005),
            ]
        )
        * h
    )
    palm = Loft(tube(points, radii), Part.ARMS, skin)
    inner = body.turn @ np.array([-side * 0.3, 0.9, 0])
    thumb = [
        w + (tip - w) * 0.18,
        w + (tip - w) * 0.32 + inner * 0.018 * h,
        w + (tip - w) * 0.58 + inner * 0.024 * h,
    ]
    return [palm, Loft(tube(thumb, np.array([0.008, 0.008, 0.004]) * h), Part.ARMS, skin)]
