"""A person's head: face, hair and hat."""

import numpy as np

from .body import Body, stack, turning
from .cloth import mix
from .draw import Loft, Surface
from .person import Part


def head(body: Body) -> list[Loft]:
    p, h = body.person, body.h
    size = 0.131 * h
    chin, middle = 0.868 * h, 0.010 * h
    # z from the chin, half width, half depth, y: fractions of the head
    jaw = 0.04 * (1 - p.figure)
    rows = np.array([
        (0.00, 0.06, 0.06, 0.21), (0.00, 0.15 + jaw, 0.15, 0.17), (0.08, 0.22 + jaw, 0.26, 0.09), (0.25, 0.285 + jaw * 0.7, 0.35, 0.03),
        (0.45, 0.325, 0.415, 0.01), (0.62, 0.345, 0.445, -0.01), (0.78, 0.335, 0.435, -0.02), (0.92, 0.265, 0.345, -0.03),
        (1.00, 0.150, 0.20, -0.03), (1.005, 0.0, 0.0, -0.03),
    ])  # fmt: skip
    look = turning(-body.pose.head, 0.03)

    def at(rows) -> np.ndarray:
        keys = stack(np.asarray(rows, float) * size, look)
        keys[:, 0:3] += [0, middle, chin]
        return body.place(keys)

    skin = np.asarray(p.skin.rgb, np.float32)
    hair = np.asarray(p.hair.colour.rgb, np.float32)
    neck = [
        (0.815 * h, 0.036 * h, 0.034 * h, -0.006),
        (0.85 * h, 0.031 * h, 0.032 * h, -0.002),
        (0.895 * h, 0.030 * h, 0.033 * h, 0.008),
    ]
    neck = np.array(neck)
    neck[:, 1:3] *= 1.04 - 0.14 * p.figure

    def face(s: Surface) -> np.ndarray:
        q = body.local(s.point)
        z = (q[:, 2] - chin) / size
        a = np.abs(s.around - np.pi / 2)
        front = a < 1.2
        spot = lambda da, dz, a0, z0: np.exp(-(((a - a0) / da) ** 2) - ((z - z0) / dz) ** 2)  # noqa: E731
        rgb = np.broadcast_to(skin, (len(z), 3))
        rgb = mix(rgb, skin * [0.86, 0.72, 0.68], 0.5 * front * spot(0.25, 0.09, 0.55, 0.33))
        rgb = mix(rgb, skin * 0.62, 0.75 * front * spot(0.20, 0.05, 0.42, 0.50))
        rgb = mix(rgb, (30, 24, 22), 0.9 * front * spot(0.11, 0.026, 0.42, 0.495))
        rgb = mix(
            rgb,
            hair * 0.8 if p.hair.kind != "bald" else skin * 0.5,
            0.8 * front * spot(0.19, 0.022, 0.43, 0.585),
        )
        rgb = mix(rgb, skin * [0.78, 0.5, 0.5], 0.85 * front * spot(0.24, 0.028, 0.0, 0.195))
        if p.glasses:
            rim = front & (abs(np.hypot((a - 0.42) / 0.30, (z - 0.50) / 0.085) - 1) < 0.22)
            rgb = mix(rgb, (24, 22, 24), rim | ((abs(z - 0.515) < 0.02) & (a > 0.7) & (a < 1.5)))
        if p.hair.kind in ("buzz", "short", "side", "curly") and p.figure < 0.3:  # a shaven chin's shade
            rgb = mix(rgb, hair, 0.12 * (front & (z < 0.26)))
        return rgb

    lofts = [
        Loft(body.place(stack(neck)), Part.HEAD, tuple(int(v) for v in skin * 0.95)),
        Loft(at(rows), Part.HEAD, face),
    ]
    nose = [
        (0.30, 0.02, 0.02, 0.37),
        (0.30, 0.065, 0.07, 0.41),
        (0.36, 0.055, 0.07, 0.42),
        (0.52, 0.03, 0.04, 0.40),
        (0.54, 0, 0, 0.38),
    ]
    lofts.append(Loft(at(nose), Part.HEAD, tuple(int(v) for v in skin * 0.97)))
    for side in (-1, 1):
        ear = [
            (0.33, 0.0, 0.0, -0.03, side * 0.32),
            (0.34, 0.03, 0.05, -0.03, side * 0.34),
            (0.52, 0.04, 0.09, -0.05, side * 0.355),
            (0.56, 0.0, 0.0, -0.05, side * 0.34),
        ]
        lofts.append(Loft(at(ear), Part.HEAD, tuple(int(v) for v in skin * 0.9)))
    return lofts + _hair(body, at, rows) + _hat(body, at, rows)


def _hair(body: Body, at, head) -> list[Loft]:
    p = body.person
    style, colour = p.hair.kind, np.asarray(p.hair.colour.rgb, np.float32)
    if style == "bald":
        return []

    def strands(s: Surface) -> np.ndarray:
        streak = np.sin(s.around * 31 + np.sin(s.along * 40)) * 0.10 + np.sin(s.around * 67) * 0.06
        return colour * (1 + streak)[:, None]

    puff = {"buzz": 1.03, "short": 1.09, "side": 1.12, "curly": 1.30, "bun": 1.07, "ponytail": 1.08}.get(
        style, 1.12
    )
    cap = head.copy()
    cap[:, 1:3] *= puff
    cap[:, 0] = 0.5 + (cap[:, 0] - 0.5) * (1 + (puff - 1) * 0.9)
    cap[:, 3] -= 0.02
    # How low the hair comes, from the forehead (0) by the temple and ear to the nape (pi).
    angles = [0.0, 0.55, 0.9, 1.25, 1.7, 2.2, np.pi]
    lines = {
        "buzz": [0.80, 0.80, 0.76, 0.55, 0.45, 0.25, 0.18],
        "short": [0.78, 0.79, 0.74, 0.48, 0.42, 0.20, 0.12],
        "side": [0.70, 0.76, 0.74, 0.46, 0.40, 0.18, 0.10],
        "curly": [0.72, 0.72, 0.66, 0.40, 0.25, 0.05, 0.02],
    }.get(style, [0.76, 0.74, 0.62, 0.44, 0.30, 0.12, 0.06])

    def keep(t, around):
        a = np.abs(np.angle(np.exp(1j * (around - np.pi / 2)))).astype(np.float32)
        ragged = 0.012 * np.sin(around * 23) + 0.01 * np.sin(around * 41)
        height = np.interp(t, np.linspace(0, 1, len(cap)), cap[:, 0])
        return height > np.interp(a, angles, lines) + ragged

    lofts = [
        Loft(at(cap), Part.HAIR, strands, folds=0.5 if style == "curly" else 0.12, keep=keep, shine=0.25)
    ]
    beside = lambda t, a: np.abs(np.angle(np.exp(1j * (a - np.pi / 2)))) > 0.95 + 0.25 * np.cos(3 * t)  # noqa: E731
    if style in ("bob", "long"):
        low = -0.05 if style == "bob" else -0.85
        flow = [
            (0.92, 0.26, 0.30, -0.04), (0.75, 0.385, 0.46, -0.05), (0.50, 0.42, 0.47, -0.06), (0.25, 0.43, 0.42, -0.08),
            (0.05, 0.42 if style == "bob" else 0.38, 0.36, -0.12), (low, 0.36, 0.22 if style == "long" else 0.33, -0.22),
            (low - 0.08, 0.22, 0.10, -0.24), (low - 0.1, 0, 0, -0.24),
        ]  # fmt: skip
        lofts.append(Loft(at(flow), Part.HAIR, strands, folds=0.15, keep=beside, shine=0.25))
    if style == "ponytail":
        tail = [
            (0.78, 0.0, 0.0, -0.42),
            (0.78, 0.08, 0.08, -0.50),
            (0.55, 0.14, 0.12, -0.64),
            (0.1, 0.13, 0.11, -0.62),
            (-0.35, 0.09, 0.08, -0.54),
            (-0.5, 0, 0, -0.50),
        ]
        lofts.append(Loft(at(tail), Part.HAIR, strands, folds=0.15, shine=0.25))
    if style == "bun":
        bun = [
            (0.70, 0, 0, -0.50),
            (0.72, 0.14, 0.12, -0.50),
            (0.85, 0.20, 0.18, -0.48),
            (0.98, 0.14, 0.12, -0.46),
            (1.0, 0, 0, -0.46),
        ]
        lofts.append(Loft(at(bun), Part.HAIR, strands, folds=0.2, shine=0.25))
    return lofts


def _hat(body: Body, at, head) -> list[Loft]:
    hat = body.person.hat
    if hat is None:
        return []
    colour = hat.colour.rgb
    bulk = 1.10 if body.person.hair.kind in ("bald", "buzz", "short") else 1.17
    crown = head.copy()
    crown[:, 1:3] *= bulk
    crown[:, 0] = 0.5 + (crown[:, 0] - 0.5) * bulk
    crown[:, 3] -= 0.02
    heights = crown[:, 0]
    edge = {"cap": 0.70, "beanie": 0.60, "brimmed": 0.72}[hat.kind]

    def keep(t, around):
        tilt = 0.06 * np.sin(around)  # lower at the back
        return np.interp(t, np.linspace(0, 1, len(heights)), heights) > edge + tilt

    def paint(s: Surface) -> np.ndarray:
        rgb = np.broadcast_to(np.asarray(colour, np.float32), (len(s.along), 3))
        z = (body.local(s.point)[:, 2] - 0.868 * body.h) / (0.131 * body.h)
        if hat.kind == "beanie":
            return rgb * np.where(z < edge + 0.17, 0.8, 1 + 0.08 * np.sin(s.around * 40))[:, None]
        if hat.kind == "brimmed":
            return rgb * np.where(z < edge + 0.12, 0.45, 1)[:, None]
        return rgb * np.where(np.abs(np.sin(s.around * 3)) < 0.05, 0.75, 1)[:, None]

    lofts = [Loft(at(crown), Part.HAT, paint, keep=keep)]
    if hat.kind == "cap":
        brim = [
            (0.70, 0.0, 0.0, 0.40),
            (0.70, 0.30, 0.33, 0.46),
            (0.735, 0.31, 0.34, 0.44),
            (0.75, 0.27, 0.2, 0.36),
        ]
        lofts.append(Loft(at(brim), Part.HAT, tuple(int(c * 0.85) for c in colour)))
    if hat.kind == "brimmed":
        brim = [
            (0.71, 0.3, 0.4, 0),
            (0.69, 0.62, 0.70, 0),
            (0.70, 0.64, 0.72, 0),
            (0.735, 0.40, 0.48, -0.02),
        ]
        lofts.append(Loft(at(brim), Part.HAT, colour))
    return lofts
