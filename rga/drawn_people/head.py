"""A person's head: face, hair and hat. Lengths are shares of the head's height, z from the chin."""

import numpy as np

from rga.drawn_people.body import SIDES, Body, rotation, stack
from rga.drawn_people.cloth import mix
from rga.drawn_people.draw import Loft, Surface
from rga.drawn_people.person import Part

CHIN, SIZE = 0.868, 0.131  # of the body's height
# How low the hair comes, from the forehead (0) by temple and ear to the nape (pi).
HAIR_AT = [0.0, 0.55, 0.9, 1.25, 1.7, 2.2, np.pi]
HAIRLINE = {
    "buzz": [0.80, 0.80, 0.76, 0.55, 0.45, 0.25, 0.18],
    "short": [0.78, 0.79, 0.74, 0.48, 0.42, 0.20, 0.12],
    "side": [0.70, 0.76, 0.74, 0.46, 0.40, 0.18, 0.10],
    "curly": [0.72, 0.72, 0.66, 0.40, 0.25, 0.05, 0.02],
    "bob, long, tied": [0.76, 0.74, 0.62, 0.44, 0.30, 0.12, 0.06],
}
VOLUME = {"buzz": 1.03, "short": 1.09, "side": 1.12, "curly": 1.30, "bun": 1.07, "ponytail": 1.08}


def head(body: Body) -> list[Loft]:
    """Neck, head, nose, ears, hair and hat."""
    p, h = body.person, body.h
    jaw = 0.04 * (1 - p.figure)
    skull = np.array([
        (0.00, 0.06, 0.06, 0.21), (0.00, 0.15 + jaw, 0.15, 0.17), (0.08, 0.22 + jaw, 0.26, 0.09),
        (0.25, 0.285 + 0.7 * jaw, 0.35, 0.03), (0.45, 0.325, 0.415, 0.01), (0.62, 0.345, 0.445, -0.01),
        (0.78, 0.335, 0.435, -0.02), (0.92, 0.265, 0.345, -0.03), (1.00, 0.150, 0.20, -0.03), (1.005, 0, 0, -0.03),
    ])  # fmt: skip
    nose = [
        (0.30, 0.02, 0.02, 0.37),
        (0.30, 0.065, 0.07, 0.41),
        (0.36, 0.055, 0.07, 0.42),
        (0.52, 0.03, 0.04, 0.40),
    ]
    neck = (
        np.array([(0.815, 0.036, 0.034, -0.003), (0.85, 0.031, 0.032, -0.001), (0.895, 0.030, 0.033, 0.004)])
        * h
    )
    neck[:, 1:3] *= 1.04 - 0.14 * p.figure
    skin = np.float32(p.skin.rgb)
    lofts = [
        Loft(body.place(stack(neck)), Part.HEAD, skin * 0.95),
        Loft(_place(body, skull), Part.HEAD, _face(body)),
        Loft(_place(body, [*nose, (0.54, 0, 0, 0.38)]), Part.HEAD, skin * 0.97),
    ]
    for side in SIDES:
        ear = [(0.33, 0, 0, -0.03), (0.34, 0.03, 0.05, -0.03), (0.52, 0.04, 0.09, -0.05), (0.56, 0, 0, -0.05)]
        lofts.append(Loft(_place(body, [(*row, 0.34 * side) for row in ear]), Part.HEAD, skin * 0.9))
    return lofts + _hair(body, skull) + _hat(body, skull)


def _place(body: Body, rows) -> np.ndarray:
    """(n, 9) keys of something on the head, turned the way it looks."""
    look = rotation(-body.pose.head, 0.03)
    return body.place(
        stack(np.asarray(rows, float) * SIZE * body.h, look, (0, 0.010 * body.h, CHIN * body.h))
    )


def _height(body: Body, s: Surface) -> np.ndarray:
    """(N,) z from the chin in shares of the head."""
    return (body.local(s.point)[:, 2] / body.h - CHIN) / SIZE


def _from_front(around: np.ndarray) -> np.ndarray:
    """Angle from where the face looks, 0 .. pi."""
    return np.abs((around - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi)


def _face(body: Body):
    p = body.person
    skin, hair = np.float32(p.skin.rgb), np.float32(p.hair.colour.rgb)

    def face(s: Surface) -> np.ndarray:
        a, z = _from_front(s.around), _height(body, s)

        def spot(at_a: float, at_z: float, wide: float, tall: float) -> np.ndarray:
            return np.exp(-(((a - at_a) / wide) ** 2) - ((z - at_z) / tall) ** 2)

        rgb = mix(skin, skin * [0.86, 0.72, 0.68], 0.5 * spot(0.55, 0.33, 0.25, 0.09))  # cheeks
        rgb = mix(rgb, skin * 0.62, 0.75 * spot(0.42, 0.50, 0.20, 0.05))  # sockets
        rgb = mix(rgb, (30, 24, 22), 0.9 * spot(0.42, 0.495, 0.11, 0.026))  # eyes
        rgb = mix(
            rgb, skin * 0.5 if p.hair.kind == "bald" else hair * 0.8, 0.8 * spot(0.43, 0.585, 0.19, 0.022)
        )
        rgb = mix(rgb, skin * [0.78, 0.5, 0.5], 0.85 * spot(0.0, 0.195, 0.24, 0.028))  # mouth
        if p.glasses:
            rims = (a < 1.2) & (abs(np.hypot((a - 0.42) / 0.30, (z - 0.50) / 0.085) - 1) < 0.22)
            rgb = mix(rgb, (24, 22, 24), rims | ((abs(z - 0.515) < 0.02) & (a > 0.7) & (a < 1.5)))
        if p.figure < 0.3 and p.hair.kind != "bald":  # a shaven chin's shade
            rgb = mix(rgb, hair, 0.12 * ((a < 1.2) & (z < 0.26)))
        return rgb

    return face


def _hair(body: Body, skull: np.ndarray) -> list[Loft]:
    style, colour = body.person.hair.kind, np.float32(body.person.hair.colour.rgb)
    if style == "bald":
        return []

    def strands(s: Surface) -> np.ndarray:
        streaks = 0.10 * np.sin(s.around * 31 + np.sin(s.along * 40)) + 0.06 * np.sin(s.around * 67)
        return colour * (1 + streaks)[:, None]

    def grows(t: np.ndarray, around: np.ndarray) -> np.ndarray:
        ragged = 0.012 * np.sin(around * 23) + 0.01 * np.sin(around * 41)
        line = HAIRLINE.get(style, HAIRLINE["bob, long, tied"])
        return (
            np.interp(t, np.linspace(0, 1, len(cap)), cap[:, 0])
            > np.interp(_from_front(around), HAIR_AT, line) + ragged
        )

    def beside_face(t: np.ndarray, around: np.ndarray) -> np.ndarray:
        return _from_front(around) > 0.95 + 0.25 * np.cos(3 * t)

    def hair(rows, folds=0.15, keep=None) -> Loft:
        return Loft(_place(body, rows), Part.HAIR, strands, folds=folds, keep=keep, gloss=0.25)

    cap = _swollen(skull, VOLUME.get(style, 1.12))
    lofts = [hair(cap, 0.5 if style == "curly" else 0.12, grows)]
    falling = [
        (0.92, 0.26, 0.30, -0.04),
        (0.75, 0.385, 0.46, -0.05),
        (0.50, 0.42, 0.47, -0.06),
        (0.25, 0.43, 0.42, -0.08),
    ]
    if style == "bob":
        ends = [
            (0.05, 0.42, 0.36, -0.12),
            (-0.05, 0.36, 0.33, -0.22),
            (-0.13, 0.22, 0.10, -0.24),
            (-0.15, 0, 0, -0.24),
        ]
        lofts.append(hair(falling + ends, keep=beside_face))
    if style == "long":
        ends = [
            (0.05, 0.38, 0.36, -0.12),
            (-0.80, 0.33, 0.20, -0.24),
            (-1.05, 0.20, 0.10, -0.28),
            (-1.10, 0, 0, -0.28),
        ]
        lofts.append(hair(falling + ends, keep=beside_face))
    if style == "ponytail":
        tail = [
            (0.78, 0, 0, -0.42),
            (0.78, 0.08, 0.08, -0.50),
            (0.55, 0.14, 0.12, -0.64),
            (0.1, 0.13, 0.11, -0.62),
        ]
        lofts.append(hair([*tail, (-0.35, 0.09, 0.08, -0.54), (-0.5, 0, 0, -0.50)]))
    if style == "bun":
        bun = [
            (0.70, 0, 0, -0.50),
            (0.72, 0.14, 0.12, -0.50),
            (0.85, 0.20, 0.18, -0.48),
            (0.98, 0.14, 0.12, -0.46),
        ]
        lofts.append(hair([*bun, (1.0, 0, 0, -0.46)]))
    return lofts


def _swollen(skull: np.ndarray, factor: float) -> np.ndarray:
    """The skull's rows a little larger, as hair or a hat lies on it."""
    rows = skull.copy()
    rows[:, 0] = 0.5 + (rows[:, 0] - 0.5) * (0.1 + 0.9 * factor)
    rows[:, 1:3] *= factor
    rows[:, 3] -= 0.02
    return rows


def _hat(body: Body, skull: np.ndarray) -> list[Loft]:
    hat = body.person.hat
    if hat is None:
        return []
    colour = np.float32(hat.colour.rgb)
    crown = _swollen(skull, 1.12 if body.person.hair.kind in ("bald", "buzz", "short") else 1.18)
    edge = {"cap": 0.70, "beanie": 0.60, "brimmed": 0.72}[hat.kind]

    def covers(t: np.ndarray, around: np.ndarray) -> np.ndarray:
        return np.interp(t, np.linspace(0, 1, len(crown)), crown[:, 0]) > edge + 0.06 * np.sin(around)

    def paint(s: Surface) -> np.ndarray:
        z = _height(body, s)
        shade = {
            "beanie": np.where(
                z < edge + 0.17, 0.8, 1 + 0.08 * np.sin(s.around * 40)
            ),  # rolled up, then ribbed
            "brimmed": np.where(z < edge + 0.12, 0.45, 1),  # its band
            "cap": np.where(np.abs(np.sin(s.around * 3)) < 0.05, 0.75, 1),  # its seams
        }[hat.kind]
        return colour * shade[:, None]

    brim = {
        "cap": [
            (0.70, 0, 0, 0.40),
            (0.70, 0.30, 0.33, 0.46),
            (0.735, 0.31, 0.34, 0.44),
            (0.75, 0.27, 0.2, 0.36),
        ],
        "brimmed": [
            (0.71, 0.3, 0.4, 0),
            (0.69, 0.62, 0.70, 0),
            (0.70, 0.64, 0.72, 0),
            (0.735, 0.40, 0.48, -0.02),
        ],
    }.get(hat.kind)
    lofts = [Loft(_place(body, crown), Part.HAT, paint, keep=covers)]
    return lofts if brim is None else [*lofts, Loft(_place(body, brim), Part.HAT, colour * 0.88)]
