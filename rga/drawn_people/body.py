"""The body of a drawn person: its proportions, how it walks, and the shapes that clothes and things are made of."""

from typing import NamedTuple

import numpy as np

from rga.drawn_people.person import Person

UP, RIGHT, FRONT = np.array([0.0, 0, 1]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
UPRIGHT = np.eye(3)
SIDES = (-1, 1)  # left and right


class Pose(NamedTuple):
    """A moment of the walk."""

    phase: float  # 0 .. 2 pi through one left and one right step
    stride: float  # 0 stands, 1 walks briskly
    lean: float  # radians, forward
    head: float  # radians, turned to the right


class Body:
    """A person in a pose. Metres; x is the person's right, y the front, z up; the lowest sole is at z = 0.

    hip, knee, ankle, shoulder, elbow, wrist, hand: {-1: left, 1: right} of (3,) points. trunk: (12, 4) rows of
    (z, half width, half depth, y) of the unclothed trunk, upright and before it is lifted to where the feet hold it.
    """

    def __init__(self, person: Person, pose: Pose):
        self.person, self.pose, self.h = person, pose, person.height
        self.twist = 0.10 * pose.stride * np.cos(pose.phase)
        self.turn, self.hip_turn = rotation(self.twist, pose.lean), rotation(-0.6 * self.twist, 0.0)
        self.pivot = np.array([0, 0, 0.52 * self.h])  # about which the upper body twists and leans
        self.trunk = self._trunk()
        self.hip, self.knee, self.ankle, self.toes = {}, {}, {}, {}
        self.shoulder, self.elbow, self.wrist, self.hand = {}, {}, {}, {}
        for side in SIDES:
            self._bend_leg(side)
            self._bend_arm(side)
        soles = [self.ankle[s][2] - (0.045 + 0.11 * max(0.0, -np.sin(self.toes[s]))) * self.h for s in SIDES]
        self.lift = -min(soles)
        for limb in (self.hip, self.knee, self.ankle, self.shoulder, self.elbow, self.wrist, self.hand):
            for side in SIDES:
                limb[side] = limb[side] + self.lift * UP

    def _trunk(self) -> np.ndarray:
        f, w = self.person.figure, self.person.weight
        belly = max(0.0, w - 1.0)
        trunk = np.array([
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
        trunk[:, 1:3] *= 0.5 + 0.5 * w, w
        return trunk * self.h

    def _bend_leg(self, side: int) -> None:
        """Hip, knee and ankle: the thigh swings as a cosine, the knee bends while the leg swings forward."""
        h, stride, phase = self.h, self.pose.stride, self.pose.phase + (np.pi if side < 0 else 0)
        thigh = stride * (0.42 * np.cos(phase) + 0.06) + 0.02
        shin = thigh - 0.06 - stride * (0.10 + 0.85 * max(0.0, -np.sin(phase - 0.35)) ** 1.6)
        splay = 0.02 * side + 0.01 * side * (1 - self.person.figure)
        self.hip[side] = np.array([side * (0.047 + 0.004 * self.person.figure) * h, 0, 0.505 * h])
        self.knee[side] = self.hip[side] + 0.232 * h * np.array([splay, np.sin(thigh), -np.cos(thigh)])
        self.ankle[side] = self.knee[side] + 0.235 * h * np.array([splay * 0.3, np.sin(shin), -np.cos(shin)])
        self.toes[side] = (0.9 if shin < 0 else 0.45) * shin  # radians: down behind, up in front

    def _bend_arm(self, side: int) -> None:
        """Shoulder, elbow, wrist and fingertips: against the leg of that side, or as what is carried asks for."""
        p, h, stride, phase = (
            self.person,
            self.h,
            self.pose.stride,
            self.pose.phase + (np.pi if side < 0 else 0),
        )
        swing = -stride * 0.45 * np.cos(phase) + 0.02
        flex = 0.16 + stride * (0.22 + 0.22 * max(0.0, -np.cos(phase)))
        aside = 0.07 + 0.2 * max(0.0, p.weight - 1) + 1.2 * p.top.loose
        if p.top.kind in ("dress", "coat") or p.bottom.kind in ("skirt", "long skirt"):
            aside += 0.05  # hands pass beside wide cloth
        carries = None
        if side == 1 and p.held is not None:
            poses = {"phone": (0.35, 2.45, 0.30), "cup": (0.10, 1.65, 0.14), "folder": (-0.05, 1.15, 0.16)}
            carries = poses.get(p.held.kind, (0.0, 0.10, 0.12))
        elif side == -1 and p.bag is not None and p.bag.kind in ("handbag", "briefcase", "shopping"):
            carries = (0.0, 0.08, 0.16)
        if carries:
            swing, flex, aside = 0.25 * swing + carries[0], carries[1], max(aside, carries[2])

        shoulder = np.array([side * (0.103 - 0.012 * p.figure) * h, 0.0, 0.803 * h])
        elbow = shoulder + 0.168 * h * np.array([side * np.sin(aside), np.sin(swing), -np.cos(swing)])
        inward = 0.4 * np.sin(aside) - (0.55 if flex > 1.2 else 0.10 * flex)
        along = _unit(np.array([side * inward, np.sin(swing + flex), -np.cos(swing + flex)]))
        wrist = elbow + 0.142 * h * along
        hand = wrist + 0.088 * h * _unit(along + [-side * 0.12, 0.10, 0])
        for limb, point in zip(
            (self.shoulder, self.elbow, self.wrist, self.hand), (shoulder, elbow, wrist, hand), strict=True
        ):
            limb[side] = self.pivot + self.turn @ (point - self.pivot)

    def trunk_at(self, z: float) -> tuple[float, float, float]:
        """Half width, half depth and y of the trunk at a height."""
        return tuple(float(np.interp(z, self.trunk[:, 0], self.trunk[:, i])) for i in (1, 2, 3))

    def ease(self, z: float) -> float:
        """Room between the trunk and the upper garment at a height."""
        waist = 1.15 if self.person.figure < 0.5 else 0.8
        room = np.interp(z / self.h, [0.5, 0.62, 0.80, 0.85], [1.0, waist, 0.55, 0.25])
        return self.person.top.loose * float(room)

    def place(self, keys: np.ndarray) -> np.ndarray:
        """(n, 9) keys of something on the upright trunk, twisted, leaned and lifted with it."""
        keys = keys.reshape(-1, 3, 3) @ self.turn.T
        keys[:, 0] += self.pivot - self.turn @ self.pivot + self.lift * UP
        return keys.reshape(-1, 9)

    def place_hips(self, keys: np.ndarray) -> np.ndarray:
        """The same for what turns with the hips, against the shoulders."""
        keys = keys.reshape(-1, 3, 3) @ self.hip_turn.T
        keys[:, 0] += self.lift * UP
        return keys.reshape(-1, 9)

    def local(self, point: np.ndarray) -> np.ndarray:
        """(N, 3) points back on the upright trunk, where patterns are defined: the inverse of `place`."""
        return (point - self.lift * UP - self.pivot) @ self.turn + self.pivot

    def leg(self, side: int, radii: np.ndarray, start: float = 0.0, end: float = 1.0) -> np.ndarray:
        """(11, 9) keys of a leg from `start` to `end` (0 hip, 0.5 knee, 1 ankle), radii spread evenly between."""
        t = np.linspace(start, end, 11)
        path = _through(self.hip[side], self.knee[side], self.ankle[side], np.minimum(t, 1.0))
        calf = np.exp(-(((t - 0.65) / 0.1) ** 2)) * 0.008 * self.h
        return tube(path - calf[:, None] * FRONT, np.interp(t, np.linspace(start, end, len(radii)), radii))

    def arm(self, side: int, t: np.ndarray) -> np.ndarray:
        """(len(t), 3) points of an arm: 0 shoulder, 0.5 elbow, 1 wrist."""
        return _through(self.shoulder[side], self.elbow[side], self.wrist[side], t)


def rotation(twist: float, lean: float) -> np.ndarray:
    """(3, 3): to the left about the vertical, then forward."""
    c, s, cl, sl = np.cos(twist), np.sin(twist), np.cos(lean), np.sin(lean)
    return np.array([[1, 0, 0], [0, cl, sl], [0, -sl, cl]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _through(a: np.ndarray, b: np.ndarray, c: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(len(t), 3) points on the bent line a (t = 0), b (0.5), c (1)."""
    t = np.asarray(t)[:, None] * 2
    return np.where(t < 1, a + (b - a) * t, b + (c - b) * (t - 1))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-12)


def tube(points, radii, across: np.ndarray = RIGHT) -> np.ndarray:
    """(n, 9) keys of a tube through (n, 3) points; radii (n,) or (n, 2): to the side and to the front."""
    points, radii = np.asarray(points, float), np.asarray(radii, float)
    radii = np.stack([radii, radii], 1) if radii.ndim == 1 else radii
    tangent = _unit(np.gradient(points, axis=0))
    front = _unit(np.cross(across, tangent))
    return np.concatenate([points, np.cross(tangent, front) * radii[:, :1], front * radii[:, 1:]], 1)


def closed(keys: np.ndarray) -> np.ndarray:
    """(n + 2, 9) keys of a tube whose far end has a lid with a sharp edge."""
    lid = np.concatenate([keys[-1, :3], 0.02 * keys[-1, 3:]])
    return np.concatenate([keys, keys[-1:], lid[None]])


def stack(rows, turn: np.ndarray = UPRIGHT, at=(0, 0, 0)) -> np.ndarray:
    """(n, 9) keys of level rings; rows of (z, half width, half depth, y[, x]), turned about 0 and moved to `at`."""
    keys = np.zeros((len(rows), 3, 3))
    for key, (z, width, depth, y, *x) in zip(keys, rows, strict=True):
        key[0] = *(x or [0]), y, z
        key[1, 0], key[2, 1] = width, depth
    keys = keys @ turn.T
    keys[:, 0] += at
    return keys.reshape(-1, 9)


def box(centre, half, turn: np.ndarray = UPRIGHT) -> np.ndarray:
    """(n, 9) keys of a box with softened edges; half its size to the right, to the front and up."""
    w, d, u = half
    rows = [(-u, 0, 0, 0), (-u, w, d, 0), (-u, w, d, 0), (0, 1.03 * w, 1.03 * d, 0)]
    return stack(rows + [(-z, *row) for z, *row in rows[2::-1]], turn, centre)
