"""From a person and a pose to lofts: the body's proportions, how it walks, and how clothes hang on it."""

from typing import NamedTuple

import numpy as np

from .draw import Loft, Surface
from .person import Item, Part, Person

UP, RIGHT, FRONT = np.array([0.0, 0, 1]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0])


class Pose(NamedTuple):
    """A moment of the walk."""

    phase: float  # 0..2 pi through one left and one right step
    stride: float  # 0 stands, 1 walks briskly
    lean: float  # radians, forward
    head: float  # radians, turned to the right


class Joints(NamedTuple):
    """Where the joints are, metres; limbs as {-1: left, +1: right} (3,) points. The lowest sole is at height 0."""

    hip: dict
    knee: dict
    ankle: dict
    toe_pitch: dict
    shoulder: dict
    elbow: dict
    wrist: dict
    hand: dict
    twist: float
    lift: float


def joints(person: Person, pose: Pose) -> Joints:
    """Poses a skeleton of adult proportions: crotch at 47 %, knee at 28 %, shoulders at 82 % of the height."""
    h, f = person.height, person.figure
    hip, knee, ankle, toe_pitch, shoulder, elbow, wrist, hand = ({} for _ in range(8))
    twist = 0.10 * pose.stride * np.cos(pose.phase)
    for side in (-1, 1):
        phase = pose.phase + (np.pi if side < 0 else 0)
        thigh = pose.stride * (0.42 * np.cos(phase) + 0.06) + 0.02
        bend = 0.06 + pose.stride * (0.10 + 0.85 * max(0.0, -np.sin(phase - 0.35)) ** 1.6)
        hip[side] = np.array([side * (0.047 + 0.004 * f) * h, 0, 0.505 * h])
        splay = 0.02 * side + 0.01 * side * (1 - f)
        knee[side] = hip[side] + 0.232 * h * np.array([splay, np.sin(thigh), -np.cos(thigh)])
        shin = thigh - bend
        ankle[side] = knee[side] + 0.235 * h * np.array([splay * 0.3, np.sin(shin), -np.cos(shin)])
        toe_pitch[side] = 0.9 * min(shin, 0.0) + 0.45 * max(shin, 0.0)  # toes down behind, up in front

        swing = -pose.stride * 0.45 * np.cos(phase) + 0.02
        flex = 0.16 + pose.stride * (0.22 + 0.22 * max(0.0, -np.cos(phase)))
        abduct = 0.10 + 0.05 * (person.weight - 1) * 10 * 0.3 + person.top.loose
        at = np.array([side * (0.103 - 0.012 * f) * h, 0.0, 0.803 * h])
        upper, lower = 0.168 * h, 0.142 * h
        hold = _hold(person, side)
        if hold is not None:
            swing, flex, abduct = swing * 0.25 + hold[0], hold[1], hold[2]
        shoulder[side] = at
        elbow[side] = at + upper * np.array([side * np.sin(abduct), np.sin(swing), -np.cos(swing)])
        reach = swing + flex
        inward = side * np.sin(abduct) * 0.4 - side * (0.55 if flex > 1.2 else 0.10 * flex)
        along = np.array([inward, np.sin(reach), -np.cos(reach)])
        along /= np.linalg.norm(along)
        wrist[side] = elbow[side] + lower * along
        curl = along + np.array([-side * 0.12, 0.10, 0])
        hand[side] = wrist[side] + 0.088 * h * curl / np.linalg.norm(curl)

    # Twist and lean the upper body; then stand it on its lower foot.
    turn = _turn(twist, pose.lean)
    pivot = np.array([0, 0, 0.52 * h])
    for limb in (shoulder, elbow, wrist, hand):
        for side in (-1, 1):
            limb[side] = pivot + turn @ (limb[side] - pivot)
    low = min(ankle[s][2] - 0.045 * h - 0.11 * h * max(0.0, -np.sin(toe_pitch[s])) for s in (-1, 1))
    for limb in (hip, knee, ankle, shoulder, elbow, wrist, hand):
        for side in (-1, 1):
            limb[side] = limb[side] - low * UP
    return Joints(hip, knee, ankle, toe_pitch, shoulder, elbow, wrist, hand, twist, -low)


def _turn(twist: float, lean: float) -> np.ndarray:
    c, s, cl, sl = np.cos(twist), np.sin(twist), np.cos(lean), np.sin(lean)
    return np.array([[1, 0, 0], [0, cl, sl], [0, -sl, cl]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _hold(person: Person, side: int) -> tuple[float, float, float] | None:
    """Swing, elbow flex and abduction of an arm that carries something."""
    if person.held is not None and side == 1:
        return {"phone": (0.35, 2.45, 0.30), "cup": (0.10, 1.65, 0.14), "folder": (-0.05, 1.15, 0.16)}.get(
            person.held.kind, (0.0, 0.10, 0.12)
        )
    if person.bag is not None and side == -1 and person.bag.kind in ("handbag", "briefcase", "shopping"):
        return 0.0, 0.08, 0.16
    return None


def tube(points, radii, across=None) -> np.ndarray:
    """(n, 9) keys of a limb through points (n, 3); radii (n,) or (n, 2): to the side and to the front."""
    points = np.asarray(points, float)
    radii = np.asarray(radii, float)
    radii = np.stack([radii, radii], 1) if radii.ndim == 1 else radii
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    front = np.cross(RIGHT if across is None else across, tangent)
    front /= np.linalg.norm(front, axis=1, keepdims=True) + 1e-12
    right = np.cross(tangent, front)
    return np.concatenate([points, right * radii[:, :1], front * radii[:, 1:]], 1)


def stack(rows, turn=None, at=(0, 0, 0)) -> np.ndarray:
    """(n, 9) keys of level rings from rows of (z, half width, half depth, y[, x]), turned as a whole about the origin."""
    keys = []
    for z, w, d, y, *x in rows:
        keys.append([[x[0] if x else 0, y, z], [w, 0, 0], [0, d, 0]])
    keys = np.asarray(keys, float)
    if turn is not None:
        keys = keys @ turn.T
    keys[:, 0] += at
    return keys.reshape(-1, 9)


def ellipsoid(centre, half, turn=None) -> np.ndarray:
    """(n, 9) keys of an ellipsoid; half: (right, front, up)."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 7)
    # A quadratic spline cuts corners; widen a little to make up for it.
    rows = [(np.sin(a) * half[2], np.cos(a) * half[0] * 1.05, np.cos(a) * half[1] * 1.05, 0) for a in angle]
    return stack(rows, turn, centre)


def _box(centre, half, turn=None) -> np.ndarray:
    """(n, 9) keys of a box with softened edges."""
    w, d, u = half
    rows = [(-u, 0, 0, 0), (-u, w, d, 0), (-u, w, d, 0), (0, w * 1.03, d * 1.03, 0), (u, w, d, 0), (u, w, d, 0), (u, 0, 0, 0)]
    return stack(rows, turn, centre)


def build(person: Person, pose: Pose) -> list[Loft]:
    """All lofts of a person in a pose."""
    body = _Body(person, pose)
    lofts = body.legs() + body.torso() + body.arms() + body.head() + body.carried()
    return lofts


def _mix(a, b, mask) -> np.ndarray:
    """Colour a where mask is 0 and b where it is 1."""
    mask = np.asarray(mask, np.float32)[:, None]
    return np.asarray(a, np.float32) * (1 - mask) + np.asarray(b, np.float32) * mask


def _dim(rgb, factor) -> np.ndarray:
    return np.asarray(rgb, np.float32) * factor


class _Body:
    """What the body's parts share: the person, the joints, and the shape of the trunk."""

    def __init__(self, person: Person, pose: Pose):
        self.person, self.pose, self.joints = person, pose, joints(person, pose)
        self.h = person.height
        self.turn = _turn(self.joints.twist, pose.lean)
        self.hip_turn = _turn(-0.6 * self.joints.twist, 0.0)
        self.lift = self.joints.lift
        h, f, w = self.h, person.figure, person.weight
        belly = max(0.0, w - 1.0)
        # z, half width, half depth, y: fractions of the height
        self.trunk = np.array([
            (0.455, 0.070 + 0.006 * f, 0.056, 0.000),
            (0.480, 0.088 + 0.008 * f, 0.066, -0.004),
            (0.520, 0.090 + 0.009 * f, 0.068, -0.007),
            (0.565, 0.085 + 0.002 * f, 0.062 + 0.05 * belly, -0.001),
            (0.615, 0.081 - 0.012 * f, 0.056 + 0.09 * belly, 0.005),
            (0.670, 0.086 - 0.012 * f, 0.059 + 0.07 * belly, 0.004),
            (0.725, 0.095 - 0.011 * f, 0.066 + 0.008 * f, 0.003 + 0.008 * f),
            (0.770, 0.103 - 0.012 * f, 0.064, 0.000),
            (0.802, 0.104 - 0.013 * f, 0.053, -0.004),
            (0.822, 0.094 - 0.012 * f, 0.043, -0.006),
            (0.840, 0.064 - 0.008 * f, 0.036, -0.006),
            (0.852, 0.037, 0.032, -0.004),
        ])  # fmt: skip
        self.trunk[:, 1:3] *= np.array([0.5 + 0.5 * w, w])
        self.trunk *= h

    def trunk_at(self, z: float) -> tuple[float, float, float]:
        """Half width, half depth and y of the trunk at a height (metres)."""
        t = self.trunk
        return tuple(float(np.interp(z, t[:, 0], t[:, i])) for i in (1, 2, 3))

    def place(self, keys: np.ndarray) -> np.ndarray:
        """Turns upper-body keys about the pelvis with the twist and lean, and lifts them to where the feet hold them."""
        keys = keys.reshape(-1, 3, 3).copy()
        pivot = np.array([0, 0, 0.52 * self.h])
        keys[:, 0] = (keys[:, 0] - pivot) @ self.turn.T + pivot + self.lift * UP
        keys[:, 1:] = keys[:, 1:] @ self.turn.T
        return keys.reshape(-1, 9)

    # Legs, trousers, skirts, shoes

    def leg(self, side: int, radii, start=0.0, end=1.0) -> np.ndarray:
        """Keys of a leg between two fractions of its length (0 hip, 0.5 knee, 1 ankle); radii over 0..1."""
        j, h = self.joints, self.h
        hip, knee, ankle = j.hip[side], j.knee[side], j.ankle[side]
        t = np.array([0, 0.12, 0.25, 0.38, 0.47, 0.53, 0.62, 0.72, 0.84, 0.95, 1.0])
        path = np.where(t[:, None] < 0.5, hip + (knee - hip) * (t[:, None] * 2), knee + (ankle - knee) * (t[:, None] * 2 - 1))
        calf = np.exp(-(((t - 0.65) / 0.1) ** 2)) * 0.008 * h
        path = path - calf[:, None] * FRONT
        at = np.linspace(start, end, 11) if (start, end) != (0.0, 1.0) else t
        path = np.stack([np.interp(at, t, path[:, i]) for i in range(3)], 1)
        radius = np.interp(at, np.linspace(0, 1, len(radii)), radii)
        return tube(path, radius)

    def legs(self) -> list[Loft]:
        p, h, w = self.person, self.h, self.person.weight
        bottom, colour = p.bottom, p.bottom.colour.rgb
        skin = p.skin.rgb
        thick = 0.55 + 0.45 * w
        bare = np.array([0.056, 0.053, 0.046, 0.040, 0.034, 0.031, 0.033, 0.032, 0.026, 0.021, 0.020]) * h * thick
        lofts = []
        for side in (-1, 1):
            if bottom.kind in ("jeans", "trousers"):
                ease = np.array([0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.55, 0.6, 0.8, 1.0, 1.1]) * bottom.loose
                shape = np.maximum(bare + ease, np.array([0.06] * 3 + [0.0] * 8) * h * 0)
                keys = self.leg(side, shape, 0.0, 1.03)
                lofts.append(Loft(_closed(keys), Part.LEGS, self._cloth(bottom, side), folds=0.30))
                continue
            stocking = colour if bottom.kind in ("tights", "leggings") else skin
            lofts.append(Loft(_closed(self.leg(side, bare)), Part.LEGS, stocking, folds=0.05))
            if bottom.kind == "shorts":
                keys = self.leg(side, bare + bottom.loose * np.linspace(0.3, 1.6, 11), 0.0, 0.46)
                lofts.append(Loft(_closed(keys), Part.LEGS, self._cloth(bottom, side), folds=0.25))
        if bottom.kind in ("skirt", "long skirt"):
            lofts.append(self._skirt(0.60 * h, (0.30 if bottom.kind == "skirt" else 0.13) * h, bottom, Part.LEGS))
        elif p.top.kind != "dress":
            rows = [(z, ww + 0.004, d + 0.004, y) for z, ww, d, y in self.trunk[:5]]
            rows = [(rows[0][0] - 0.01, 0, 0, rows[0][3]), *rows]
            keys = self.place_hips(stack(rows))
            lofts.append(Loft(keys, Part.LEGS, self._cloth(bottom, 0), folds=0.15))
        for side in (-1, 1):
            lofts += self._shoe(side)
        return lofts

    def place_hips(self, keys: np.ndarray) -> np.ndarray:
        keys = keys.reshape(-1, 3, 3) @ self.hip_turn.T
        keys[:, 0] += self.lift * UP
        return keys.reshape(-1, 9)

    def _cloth(self, garment, side: int):
        """Paint of trousers, shorts and skirts."""
        base, accent = garment.colour.rgb, garment.accent.rgb

        def paint(s: Surface) -> np.ndarray:
            rgb = np.broadcast_to(np.asarray(base, np.float32), (len(s.along), 3))
            if garment.kind == "jeans":  # worn lighter on the thighs, seams at the sides
                worn = np.exp(-(((s.along - 0.25) / 0.16) ** 2)) * np.clip(np.sin(s.around), 0, 1)
                rgb = rgb * (1 + 0.22 * worn[:, None])
            if garment.pattern == "side stripe" and side:
                outer = np.cos(s.around) * side > 0.93
                rgb = _mix(rgb, accent, outer)
            elif garment.pattern == "checks":
                u, v = s.around * 0.12, s.along
                rgb = _mix(rgb, _dim(accent, 0.9), 0.45 * ((u % 0.06 < 0.02) * 1.0 + (v % 0.06 < 0.02)))
            elif garment.pattern == "dots":
                rgb = _mix(rgb, accent, _dots(s, 0.07))
            if side:
                rgb = rgb * (1 - 0.16 * (np.abs(np.cos(s.around)) > 0.985))[:, None]
            return rgb

        return paint

    def _skirt(self, waist: float, hem: float, garment, part: int) -> Loft:
        """A loft from the waist to the hem that gives room to both legs where they are."""
        rows = []
        for t in np.linspace(0, 1, 9):
            z = waist + (hem - waist) * t
            w, d, y = self.trunk_at(max(z, 0.5 * self.h))
            xs, ys = [], []
            for side in (-1, 1):
                j = self.joints
                path = np.array([j.ankle[side], j.knee[side], j.hip[side]])
                xs.append(np.interp(z + self.lift, path[:, 2], path[:, 0]))
                ys.append(np.interp(z + self.lift, path[:, 2], path[:, 1]))
            below = np.clip((0.52 * self.h - z) / (0.2 * self.h), 0, 1)
            room = 0.048 * self.h + garment.loose + 0.02 * t
            wide = max(w + garment.loose + 0.035 * t * below * 2, (max(xs) - min(xs)) / 2 + room)
            deep = max(d + garment.loose, (max(ys) - min(ys)) / 2 * 0.9 + room + 0.02 * t)
            middle = y * (1 - below) + below * sum(ys) / 2
            rows.append((z, wide, deep, middle))
        rows += [(hem, rows[-1][1] * 0.97, rows[-1][2] * 0.97, rows[-1][3]), (hem + 0.02, 0, 0, rows[-1][3])]
        keys = stack(rows)
        keys[:, 2] += self.lift
        paint = self._cloth(garment, 0) if part == Part.LEGS else self._top_paint()
        return Loft(keys, part, _pleats(paint), folds=0.16)

    def _shoe(self, side: int) -> list[Loft]:
        j, h, shoe = self.joints, self.h, self.person.shoes
        colour = shoe.colour.rgb
        sole = {"sneakers": (225, 224, 218), "leather": (40, 30, 26), "boots": (36, 30, 28), "flats": (60, 48, 42)}[shoe.kind]
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
            rgb = _mix(colour, sole, rim)
            if shoe.kind == "sneakers":  # laces
                laces = (np.sin(surface.around) > 0.7) & (surface.along % 0.03 < 0.012) & (abs(surface.along - 0.14) < 0.05)
                rgb = _mix(rgb, (238, 238, 234), laces * 0.9)
            if low:
                rgb = _mix(rgb, self.person.skin.rgb, (np.sin(surface.around) > 0.1) & (abs(surface.along - 0.11) < 0.055))
            return rgb

        shiny = 0.5 if shoe.kind in ("leather", "boots") else 0.12
        lofts = [Loft(keys.reshape(-1, 9), Part.SHOES, paint, boxy=0.8, shine=shiny)]
        if shoe.kind == "boots":
            keys = self.leg(side, np.linspace(0.036, 0.030, 5) * h, 0.72, 1.04)
            lofts.append(Loft(_closed(keys), Part.SHOES, colour, shine=0.3, folds=0.1))
        return lofts

    # Torso

    def torso(self) -> list[Loft]:
        p, h, top = self.person, self.h, self.person.top
        hem = {"t-shirt": 0.485, "shirt": 0.475, "sweater": 0.485, "hoodie": 0.475, "jacket": 0.47, "vest": 0.49}.get(top.kind)
        paint = self._top_paint()
        lofts = []
        if top.kind == "dress":
            hem = 0.56
            lofts.append(self._skirt(0.62 * h, 0.27 * h, top, Part.TORSO))
        elif top.kind == "coat":
            hem = 0.56
            lofts.append(self._skirt(0.63 * h, 0.29 * h, top, Part.TORSO))
        elif hem < 0.5 and p.bottom.kind in ("skirt", "long skirt"):
            hem = 0.53
        z = np.concatenate([[hem * h], self.trunk[self.trunk[:, 0] > (hem + 0.015) * h, 0]])
        rows = []
        for at in z:
            w, d, y = self.trunk_at(at)
            flare = 0.006 * max(0.0, 1 - (at - hem * h) / 0.08)
            ease = top.loose * np.interp(at / h, [0.5, 0.62, 0.80, 0.85], [1.0, 1.15 if p.figure < 0.5 else 0.8, 0.55, 0.25])
            rows.append((at, w + ease * 0.75 + flare, d + ease + flare, y))
        first = rows[0]
        rows = [(first[0] + 0.015, 0, 0, first[3]), (first[0], first[1] * 0.98, first[2] * 0.98, first[3]), first, *rows]
        lofts.append(Loft(self.place(stack(rows)), Part.TORSO, paint, boxy=0.88, folds=0.22, logo=self._logo()))
        lofts += self._collar()
        return lofts

    def local(self, point: np.ndarray) -> np.ndarray:
        """(N, 3) points back in the untwisted, unlifted trunk, where patterns are defined."""
        pivot = np.array([0, 0, 0.52 * self.h])
        return (point - self.lift * UP - pivot) @ self.turn + pivot

    def _logo_field(self, s: Surface):
        """x and z of trunk points about the print's centre, in units of its half size, mirrored for the back."""
        q = self.local(s.point)
        x = q[:, 0] * np.where(q[:, 1] > 0, 1, -1)
        return x / (0.062 * self.h), (q[:, 2] - 0.715 * self.h) / (0.055 * self.h)

    def _logo(self):
        logo = self.person.logo
        if logo is None:
            return None

        def where(s: Surface) -> np.ndarray:
            x, z = self._logo_field(s)
            return {
                "square": (abs(x) < 0.85) & (abs(z) < 0.85) & ~((abs(x) < 0.45) & (abs(z) < 0.45)),
                "disc": x**2 + z**2 < 0.85,
                "bars": (abs(x) < 1) & (abs(z) < 1) & ((z + 1) % 0.66 < 0.36),
                "text": (abs(x) < 1.15) & (abs(z) < 0.34) & ((x + 2) % 0.42 < 0.28),
                "triangle": (abs(x) < (0.9 - z) * 0.55) & (z > -0.8) & (z < 0.9),
            }[logo.kind]

        return where

    def _top_paint(self):
        """Paint of the upper garment on the trunk, and on the skirt of a coat or dress."""
        p, top, h = self.person, self.person.top, self.h
        base, accent, skin = (np.asarray(c.rgb, np.float32) for c in (top.colour, top.accent, p.skin))
        inner = accent if top.kind in ("jacket", "coat") else base
        logo = self._logo()

        def paint(s: Surface) -> np.ndarray:
            q = self.local(s.point)
            x, y, z = q[:, 0], q[:, 1], q[:, 2] / h
            front = y > 0
            rgb = _pattern(top, base, accent, q, h)
            if top.pattern == "open":
                gap = np.interp(z, [0.3, 0.5, 0.72, 0.82, 0.85], [0.075, 0.05, 0.034, 0.026, 0.03])
                opening = front & (abs(x) < gap)
                lapel = front & (abs(x) < gap + 0.030) & (z > 0.64) & ~opening
                rgb = _mix(rgb, base * 0.78, lapel | (front & (abs(x) < gap + 0.008)))
                rgb = _mix(rgb, np.where(z[:, None] < 0.54, p.bottom.colour.rgb, inner), opening & (z > (0.5 if top.kind == "jacket" else 0.46)))
            elif top.pattern in ("zip", "buttons") or top.kind == "shirt":
                line = front & (abs(x) < 0.005)
                rgb = _mix(rgb, base * (0.55 if base.mean() > 70 else 1.7), line * 0.7)
                if top.pattern == "buttons" or top.kind == "shirt":
                    rgb = _mix(rgb, base * 0.4 if base.mean() > 90 else base + 70, front & (abs(x - 0.012) < 0.008) & (z * h % 0.09 < 0.014))
            neck = {"t-shirt": 0.020, "vest": 0.045, "dress": 0.035, "sweater": 0.012}.get(top.kind, 0.0)
            if neck:  # the cut-out at the throat
                throat = front & (z > 0.842 - neck + (x / (0.055 * h)) ** 2 * neck * 0.8)
                rgb = _mix(rgb, skin, throat)
            if top.kind in ("shirt", "jacket", "coat") and top.pattern != "open":
                throat = front & (z > 0.822) & (abs(x) < (z - 0.815) * h * 0.55)
                rgb = _mix(rgb, skin if top.kind == "shirt" else inner, throat)
            if top.kind == "hoodie":
                pocket = front & (abs(z - 0.57) < 0.035) & (abs(x) < 0.085 - (z - 0.55) * 0.4)
                rgb = _mix(rgb, base * 0.84, pocket & ((abs(z - 0.57) > 0.031) | (abs(x) > 0.074 - (z - 0.55) * 0.4)))
            if top.kind in ("sweater", "hoodie"):  # the rib at the hem
                rgb = rgb * np.where((z < 0.505) & (s.along < 0.08), 0.85, 1)[:, None]
            if top.pattern == "belt":
                rgb = _mix(rgb, accent, abs(z - 0.615) < 0.011)
            if logo is not None:
                rgb = _mix(rgb, p.logo.colour.rgb, logo(s))
            return rgb

        return paint

    def _collar(self) -> list[Loft]:
        p, top, h = self.person, self.person.top, self.h
        colour = tuple(int(v) for v in _dim(top.colour.rgb, 0.92))
        w = 0.040 * h
        if top.kind in ("shirt", "jacket", "coat"):
            tall = 0.028 * h
            rows = [(0.836 * h, w * 1.35, w * 1.15, -0.003), (0.846 * h, w * 1.1, w * 1.02, -0.002), (0.846 * h + tall, w * 0.95, w * 0.98, 0.006)]
            gap = 0.28 if top.pattern == "open" else 0.12
            keep = lambda t, a: abs(a - np.pi / 2) > gap + 0.5 * t  # noqa: E731
            return [Loft(self.place(stack(rows)), Part.TORSO, colour, keep=keep)]
        if top.kind == "hoodie":
            rows = [(0.80, 0.05, 0.015, -0.052), (0.815, 0.066, 0.034, -0.046), (0.845, 0.062, 0.036, -0.038), (0.868, 0.045, 0.022, -0.034), (0.872, 0.0, 0.0, -0.03)]
            ring = [(0.832, 0.058, 0.050, 0.0), (0.850, 0.048, 0.044, 0.002), (0.864, 0.040, 0.034, 0.004)]
            return [
                Loft(self.place(stack(np.array(rows) * h)), Part.TORSO, colour, folds=0.2),
                Loft(self.place(stack(np.array(ring) * h)), Part.TORSO, colour, keep=lambda t, a: abs(a - np.pi / 2) > 0.35),
            ]
        if top.kind == "sweater":
            rows = [(0.836 * h, w * 1.28, w * 1.08, -0.003), (0.852 * h, w * 1.0, w * 0.92, 0.0), (0.858 * h, w * 0.9, w * 0.8, 0.002)]
            return [Loft(self.place(stack(rows)), Part.TORSO, colour)]
        return []

    # Arms

    def arms(self) -> list[Loft]:
        p, h, top, j = self.person, self.h, self.person.top, self.joints
        skin = p.skin.rgb
        thick = (0.6 + 0.4 * p.weight) * (1.04 - 0.13 * p.figure) * h
        base, accent = top.colour.rgb, top.accent.rgb
        reach = {"t-shirt": 0.42, "vest": 0.0, "dress": 0.30}.get(top.kind, 1.0)
        lofts = []
        for side in (-1, 1):
            s, e, w = j.shoulder[side], j.elbow[side], j.wrist[side]
            inside = self.turn @ np.array([-side * 0.040 * h, -0.004 * h, 0.016 * h])
            t = np.array([0.0, 0.06, 0.22, 0.40, 0.48, 0.54, 0.66, 0.84, 1.0])
            path = np.where(t[:, None] < 0.5, s + (e - s) * (2 * t[:, None]), e + (w - e) * (2 * t[:, None] - 1))
            path[0] = s + inside * 0.5 + 0.004 * UP
            path = np.concatenate([[s + inside], path])
            radius = np.array([0.018, 0.029, 0.0325, 0.030, 0.0265, 0.0245, 0.0245, 0.0245, 0.020, 0.0155]) * thick
            lofts.append(Loft(_closed(tube(path, radius)), Part.ARMS, skin))
            if reach:
                count = 10 if reach == 1 else 5
                cut = path[:count] if reach == 1 else np.concatenate([path[:4], [path[3] + (path[4] - path[3]) * 0.6]])
                ease = top.loose * np.linspace(0.3, 0.62, count) + 0.002
                ease[:2] *= 0.6
                hang = cut.copy()
                cloth = tube(hang, radius[:count] + ease)

                def paint(surface: Surface, side=side) -> np.ndarray:
                    rgb = np.broadcast_to(np.asarray(base, np.float32), (len(surface.along), 3))
                    if top.pattern in ("stripes", "wide stripes"):
                        q = self.local(surface.point)
                        rgb = _pattern(top, np.asarray(base, np.float32), np.asarray(accent, np.float32), q, h)
                    elif top.pattern in ("checks", "pinstripes", "dots"):
                        flat = np.stack([surface.around * 0.05, surface.around * 0, surface.along + 0.3], 1)
                        rgb = _pattern(top, np.asarray(base, np.float32), np.asarray(accent, np.float32), flat, h)
                    elif top.pattern == "raglan":
                        rgb = np.broadcast_to(np.asarray(accent, np.float32), rgb.shape)
                    end = 0.95 * np.linalg.norm(np.diff(hang, axis=0), axis=1).sum()
                    return rgb * np.where(surface.along > end, 0.82, 1)[:, None]

                lofts.append(Loft(_closed(cloth), Part.ARMS, paint, folds=0.26 if reach == 1 else 0.15))
            lofts += self._hand(side, skin)
        return lofts

    def _hand(self, side: int, skin) -> list[Loft]:
        j, h = self.joints, self.h
        w, tip = j.wrist[side], j.hand[side]
        points = [w - (tip - w) * 0.1, w, w + (tip - w) * 0.3, w + (tip - w) * 0.6, w + (tip - w) * 0.9, tip]
        radii = np.array([(0.011, 0.014), (0.012, 0.016), (0.014, 0.022), (0.013, 0.021), (0.010, 0.015), (0.003, 0.005)]) * h
        palm = Loft(tube(points, radii), Part.ARMS, skin)
        inner = self.turn @ np.array([-side * 0.3, 0.9, 0])
        thumb = [w + (tip - w) * 0.18, w + (tip - w) * 0.32 + inner * 0.018 * h, w + (tip - w) * 0.58 + inner * 0.024 * h]
        return [palm, Loft(tube(thumb, np.array([0.008, 0.008, 0.004]) * h), Part.ARMS, skin)]

    # Head

    def head(self) -> list[Loft]:
        p, h = self.person, self.h
        size = 0.131 * h
        chin, middle = 0.868 * h, 0.010 * h
        # z from the chin, half width, half depth, y: fractions of the head
        jaw = 0.04 * (1 - p.figure)
        rows = np.array([
            (0.00, 0.06, 0.06, 0.21), (0.00, 0.15 + jaw, 0.15, 0.17), (0.08, 0.22 + jaw, 0.26, 0.09), (0.25, 0.285 + jaw * 0.7, 0.35, 0.03),
            (0.45, 0.325, 0.415, 0.01), (0.62, 0.345, 0.445, -0.01), (0.78, 0.335, 0.435, -0.02), (0.92, 0.265, 0.345, -0.03),
            (1.00, 0.150, 0.20, -0.03), (1.005, 0.0, 0.0, -0.03),
        ])  # fmt: skip
        look = _turn(-self.pose.head, 0.03)

        def at(rows) -> np.ndarray:
            keys = stack(np.asarray(rows, float) * size, look)
            keys[:, 0:3] += [0, middle, chin]
            return self.place(keys)

        skin = np.asarray(p.skin.rgb, np.float32)
        hair = np.asarray(p.hair.colour.rgb, np.float32)
        neck = [(0.815 * h, 0.036 * h, 0.034 * h, -0.006), (0.85 * h, 0.031 * h, 0.032 * h, -0.002), (0.895 * h, 0.030 * h, 0.033 * h, 0.008)]
        neck = np.array(neck)
        neck[:, 1:3] *= 1.04 - 0.14 * p.figure

        def face(s: Surface) -> np.ndarray:
            q = self.local(s.point)
            z = (q[:, 2] - chin) / size
            a = np.abs(s.around - np.pi / 2)
            front = a < 1.2
            spot = lambda da, dz, a0, z0: np.exp(-(((a - a0) / da) ** 2) - ((z - z0) / dz) ** 2)  # noqa: E731
            rgb = np.broadcast_to(skin, (len(z), 3))
            rgb = _mix(rgb, skin * [0.86, 0.72, 0.68], 0.5 * front * spot(0.25, 0.09, 0.55, 0.33))
            rgb = _mix(rgb, skin * 0.62, 0.75 * front * spot(0.20, 0.05, 0.42, 0.50))
            rgb = _mix(rgb, (30, 24, 22), 0.9 * front * spot(0.11, 0.026, 0.42, 0.495))
            rgb = _mix(rgb, hair * 0.8 if p.hair.kind != "bald" else skin * 0.5, 0.8 * front * spot(0.19, 0.022, 0.43, 0.585))
            rgb = _mix(rgb, skin * [0.78, 0.5, 0.5], 0.85 * front * spot(0.24, 0.028, 0.0, 0.195))
            if p.glasses:
                rim = front & (abs(np.hypot((a - 0.42) / 0.30, (z - 0.50) / 0.085) - 1) < 0.22)
                rgb = _mix(rgb, (24, 22, 24), rim | ((abs(z - 0.515) < 0.02) & (a > 0.7) & (a < 1.5)))
            if p.hair.kind in ("buzz", "short", "side", "curly") and p.figure < 0.3:  # a shaven chin's shade
                rgb = _mix(rgb, hair, 0.12 * (front & (z < 0.26)))
            return rgb

        lofts = [
            Loft(self.place(stack(neck)), Part.HEAD, tuple(int(v) for v in skin * 0.95)),
            Loft(at(rows), Part.HEAD, face),
        ]
        nose = [(0.30, 0.02, 0.02, 0.37), (0.30, 0.065, 0.07, 0.41), (0.36, 0.055, 0.07, 0.42), (0.52, 0.03, 0.04, 0.40), (0.54, 0, 0, 0.38)]
        lofts.append(Loft(at(nose), Part.HEAD, tuple(int(v) for v in skin * 0.97)))
        for side in (-1, 1):
            ear = [(0.33, 0.0, 0.0, -0.03, side * 0.32), (0.34, 0.03, 0.05, -0.03, side * 0.34), (0.52, 0.04, 0.09, -0.05, side * 0.355), (0.56, 0.0, 0.0, -0.05, side * 0.34)]
            lofts.append(Loft(at(ear), Part.HEAD, tuple(int(v) for v in skin * 0.9)))
        return lofts + self._hair(at, rows) + self._hat(at, rows)

    def _hair(self, at, head) -> list[Loft]:
        p = self.person
        style, colour = p.hair.kind, np.asarray(p.hair.colour.rgb, np.float32)
        if style == "bald":
            return []

        def strands(s: Surface) -> np.ndarray:
            streak = np.sin(s.around * 31 + np.sin(s.along * 40)) * 0.10 + np.sin(s.around * 67) * 0.06
            return colour * (1 + streak)[:, None]

        puff = {"buzz": 1.03, "short": 1.09, "side": 1.12, "curly": 1.30, "bun": 1.07, "ponytail": 1.08}.get(style, 1.12)
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
        values, slopes = np.interp(np.linspace(0, 1, len(cap)), np.linspace(0, 1, len(cap)), cap[:, 0]), None
        del slopes

        def keep(t, around):
            a = np.abs(np.angle(np.exp(1j * (around - np.pi / 2)))).astype(np.float32)
            ragged = 0.012 * np.sin(around * 23) + 0.01 * np.sin(around * 41)
            height = np.interp(t, np.linspace(0, 1, len(values)), values)
            return height > np.interp(a, angles, lines) + ragged

        lofts = [Loft(at(cap), Part.HAIR, strands, folds=0.5 if style == "curly" else 0.12, keep=keep, shine=0.25)]
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
            tail = [(0.78, 0.0, 0.0, -0.42), (0.78, 0.08, 0.08, -0.50), (0.55, 0.14, 0.12, -0.64), (0.1, 0.13, 0.11, -0.62), (-0.35, 0.09, 0.08, -0.54), (-0.5, 0, 0, -0.50)]
            lofts.append(Loft(at(tail), Part.HAIR, strands, folds=0.15, shine=0.25))
        if style == "bun":
            bun = [(0.70, 0, 0, -0.50), (0.72, 0.14, 0.12, -0.50), (0.85, 0.20, 0.18, -0.48), (0.98, 0.14, 0.12, -0.46), (1.0, 0, 0, -0.46)]
            lofts.append(Loft(at(bun), Part.HAIR, strands, folds=0.2, shine=0.25))
        return lofts

    def _hat(self, at, head) -> list[Loft]:
        hat = self.person.hat
        if hat is None:
            return []
        colour = hat.colour.rgb
        bulk = 1.10 if self.person.hair.kind in ("bald", "buzz", "short") else 1.17
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
            z = (self.local(s.point)[:, 2] - 0.868 * self.h) / (0.131 * self.h)
            if hat.kind == "beanie":
                return rgb * np.where(z < edge + 0.17, 0.8, 1 + 0.08 * np.sin(s.around * 40))[:, None]
            if hat.kind == "brimmed":
                return rgb * np.where(z < edge + 0.12, 0.45, 1)[:, None]
            return rgb * np.where(np.abs(np.sin(s.around * 3)) < 0.05, 0.75, 1)[:, None]

        lofts = [Loft(at(crown), Part.HAT, paint, keep=keep)]
        if hat.kind == "cap":
            brim = [(0.70, 0.0, 0.0, 0.40), (0.70, 0.30, 0.33, 0.46), (0.735, 0.31, 0.34, 0.44), (0.75, 0.27, 0.2, 0.36)]
            lofts.append(Loft(at(brim), Part.HAT, tuple(int(c * 0.85) for c in colour)))
        if hat.kind == "brimmed":
            brim = [(0.71, 0.3, 0.4, 0), (0.69, 0.62, 0.70, 0), (0.70, 0.64, 0.72, 0), (0.735, 0.40, 0.48, -0.02)]
            lofts.append(Loft(at(brim), Part.HAT, colour))
        return lofts

    # Bags and things

    def carried(self) -> list[Loft]:
        p = self.person
        lofts = []
        if p.backpack is not None:
            lofts += self._backpack(p.backpack)
        if p.bag is not None:
            lofts += self._bag(p.bag)
        if p.held is not None:
            lofts += self._held(p.held)
        return lofts

    def _wrap(self, points, radius: float, part: int, colour) -> Loft:
        """A strap through trunk points (angle round the body, height as a fraction), just outside the clothes."""
        path = []
        for angle, z in points:
            w, d, y = self.trunk_at(z * self.h)
            ease = self.person.top.loose + 0.010
            c, s = np.cos(angle), np.sin(angle)
            path.append([(w + ease * 0.8) * np.sign(c) * abs(c) ** 0.85, y + (d + ease) * 1.04 * np.sign(s) * abs(s) ** 0.85, z * self.h])
        keys = tube(path, np.full(len(path), radius), across=np.array([0.31, 0.2, 0.93]))
        return Loft(self.place(keys), part, colour)

    def _backpack(self, pack: Item) -> list[Loft]:
        h, colour = self.h, np.asarray(pack.colour.rgb, np.float32)
        _, d, y = self.trunk_at(0.70 * h)
        tall = 0.125 if pack.kind == "rucksack" else 0.105
        centre = np.array([0, y - d - self.person.top.loose - 0.046 * h, 0.700 * h])

        def paint(s: Surface) -> np.ndarray:
            q = self.local(s.point) - centre
            z = q[:, 2] / (tall * h)
            rgb = np.broadcast_to(colour, (len(z), 3))
            pocket = (z < 0.0) & (z > -0.8) & (abs(q[:, 0]) < 0.065 * h) & (q[:, 1] < 0)
            rgb = rgb * np.where(pocket, 0.80, 1)[:, None]
            seam = (abs(z - 0.05) < 0.03) | (abs(z - 0.55) < 0.025)
            return rgb * np.where(seam, 0.6, 1)[:, None]

        rows = [(-1, 0, 0), (-1, 0.9, 0.9), (-0.95, 1.0, 1.1), (-0.3, 1.03, 1.15), (0.3, 1.0, 1.0), (0.8, 0.9, 0.8), (1.0, 0.62, 0.5), (1.04, 0, 0)]
        keys = stack([(z * tall * h, w * 0.086 * h, k * 0.048 * h, 0) for z, w, k in rows], at=centre)
        lofts = [Loft(self.place(keys), Part.BACKPACK, paint, boxy=0.62, folds=0.10)]
        strap = tuple(int(v) for v in colour * 0.72)
        for side in (1, -1):
            turn = lambda a, side=side: a if side > 0 else np.pi - a  # noqa: E731
            path = [(turn(-1.0), 0.80), (turn(-0.9), 0.835), (turn(0.3), 0.845), (turn(0.95), 0.825), (turn(1.0), 0.77), (turn(0.8), 0.70), (turn(0.35), 0.65), (turn(-0.5), 0.63)]
            lofts.append(self._wrap(path, 0.0085 * h, Part.BACKPACK, strap))
        return lofts

    def _bag(self, bag: Item) -> list[Loft]:
        h, colour = self.h, np.asarray(bag.colour.rgb, np.float32)
        rgb, dark = tuple(int(v) for v in colour), tuple(int(v) for v in colour * 0.7)

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
            w, _, y = self.trunk_at(low * h)
            centre = np.array([side * (w + self.person.top.loose + half[0] + 0.006), y + 0.004 * h, low * h])
            keys = self.place(_box(centre, half))
            middle = keys[:, 0:3].mean(0)
            lofts = [Loft(keys, Part.BAG, panel(middle), boxy=0.5, shine=0.15)]
            if bag.kind == "crossbody":
                for face in (1, -1):
                    points = [(np.pi - 0.35 * face, low + 0.05), (np.pi - 0.9 * face, 0.64), (np.pi - 1.45 * face, 0.70), (1.15 * face, 0.775), (0.95 * face, 0.825), (0.5 * face, 0.845), (0.0, 0.85)]
                    lofts.append(self._wrap(points, 0.0065 * h, Part.BAG, dark))
            else:
                for face in (1, -1):
                    points = [(np.pi - 0.55 * face, low + 0.08), (np.pi - 0.75 * face, 0.72), (np.pi - 0.9 * face, 0.79), (np.pi - 0.7 * face, 0.835), (np.pi, 0.845)]
                    lofts.append(self._wrap(points, 0.0065 * h, Part.BAG, dark))
            return lofts
        hand = self.joints.hand[side] * 0.6 + self.joints.wrist[side] * 0.4
        half = {"handbag": (0.030, 0.075, 0.055), "briefcase": (0.020, 0.105, 0.070), "shopping": (0.034, 0.075, 0.095)}[bag.kind]
        half = np.array(half) * h
        drop = {"handbag": 0.050, "briefcase": 0.020, "shopping": 0.055}[bag.kind] * h
        centre = hand + np.array([side * 0.012 * h, 0.01 * h, -drop - half[2]])
        lofts = [Loft(_box(centre, half), Part.BAG, panel(centre), boxy=0.45, shine=0.15, folds=0.2 if bag.kind == "shopping" else 0)]
        top = centre + [0, 0, half[2]]
        for end in (-0.55, 0.55):
            path = [top + [0, half[1] * end, -0.004], top + [0, half[1] * end * 0.9, drop * 0.6], hand + [0, half[1] * end * 0.25, 0.0]]
            lofts.append(Loft(tube(path, np.full(3, 0.0048 * h)), Part.BAG, dark))
        del rgb
        return lofts

    def _held(self, held: Item) -> list[Loft]:
        h, colour = self.h, held.colour.rgb
        hand = self.joints.hand[1] * 0.6 + self.joints.wrist[1] * 0.4
        if held.kind == "phone":
            return [Loft(_box(self.joints.hand[1], np.array([0.008, 0.020, 0.040]) * h), Part.HELD, (34, 34, 38), boxy=0.5, shine=0.4)]
        if held.kind == "cup":
            rows = [(-0.03, 0, 0, 0), (-0.03, 0.015, 0.015, 0), (0.03, 0.021, 0.021, 0), (0.034, 0.022, 0.022, 0), (0.036, 0, 0, 0)]
            return [Loft(stack(np.array(rows) * h * 1.1, at=hand + [0, 0.025 * h, 0.012 * h]), Part.HELD, colour)]
        if held.kind == "bottle":
            rows = [(-0.07, 0, 0, 0), (-0.07, 0.019, 0.019, 0), (0.02, 0.020, 0.020, 0), (0.045, 0.009, 0.009, 0), (0.06, 0.009, 0.009, 0), (0.06, 0, 0, 0)]
            return [Loft(stack(np.array(rows) * h, at=hand), Part.HELD, colour, shine=0.8)]
        if held.kind == "umbrella":
            rows = [(-0.30, 0.003, 0.003, 0), (-0.27, 0.006, 0.006, 0), (-0.10, 0.020, 0.020, 0), (0.0, 0.016, 0.016, 0), (0.02, 0.006, 0.006, 0), (0.04, 0.006, 0.006, 0)]
            return [Loft(stack(np.array(rows) * h, _turn(0, -0.15), hand), Part.HELD, colour, folds=0.5)]
        centre = (self.joints.elbow[1] + self.joints.wrist[1]) / 2 + [-0.02 * h, 0.01 * h, -0.01 * h]
        return [Loft(_box(centre, np.array([0.012, 0.085, 0.062]) * h, _turn(0, 0.15)), Part.HELD, colour, boxy=0.35)]


def _closed(keys: np.ndarray) -> np.ndarray:
    """A limb whose far end is closed by a ring of no width, with a sharp edge."""
    rim, end = keys[-1].copy(), keys[-1].copy()
    end[3:] *= 0.02
    return np.concatenate([keys, [rim], [end]])


def _pleats(paint):
    """Vertical folds of hanging cloth: darker and lighter bands that fade towards the waist."""

    def painted(s: Surface) -> np.ndarray:
        rgb = paint(s) if callable(paint) else np.broadcast_to(np.asarray(paint, np.float32), (len(s.along), 3))
        depth = 0.13 * np.clip(s.along / 0.25, 0, 1)
        return rgb * (1 + depth * np.sin(s.around * 7 + 1) * np.cos(s.around * 3))[:, None]

    return painted


def _dots(s: Surface, pitch: float) -> np.ndarray:
    u, v = s.around * 0.16, s.along
    odd = (np.floor(v / pitch) % 2) * 0.5
    return np.hypot((u / pitch + odd) % 1 - 0.5, (v / pitch) % 1 - 0.5) < 0.24


def _pattern(top, base: np.ndarray, accent: np.ndarray, q: np.ndarray, h: float) -> np.ndarray:
    """Colours of a patterned cloth at trunk points q (N, 3)."""
    x, z = q[:, 0], q[:, 2]
    mask = {
        "stripes": lambda: z % 0.064 < 0.028,
        "wide stripes": lambda: z % 0.15 < 0.075,
        "chest band": lambda: abs(z - 0.71 * h) < 0.055,
        "yoke": lambda: z > 0.745 * h,
        "checks": lambda: 0.42 * (x % 0.07 < 0.026) + 0.42 * (z % 0.07 < 0.026),
        "pinstripes": lambda: 0.55 * (x % 0.034 < 0.009),
        "dots": lambda: np.hypot((x / 0.07 + (np.floor(z / 0.07) % 2) * 0.5) % 1 - 0.5, (z / 0.07) % 1 - 0.5) < 0.24,
    }.get(top.pattern)
    if mask is None:
        return np.broadcast_to(base, (len(z), 3))
    return _mix(base, accent, mask())
