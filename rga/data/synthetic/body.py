"""The body of a drawn person: proportions, how it walks, and the shapes that are hung on it."""

from typing import NamedTuple

import numpy as np

from .person import Person

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
    turn = turning(twist, pose.lean)
    pivot = np.array([0, 0, 0.52 * h])
    for limb in (shoulder, elbow, wrist, hand):
        for side in (-1, 1):
            limb[side] = pivot + turn @ (limb[side] - pivot)
    low = min(ankle[s][2] - 0.045 * h - 0.11 * h * max(0.0, -np.sin(toe_pitch[s])) for s in (-1, 1))
    for limb in (hip, knee, ankle, shoulder, elbow, wrist, hand):
        for side in (-1, 1):
            limb[side] = limb[side] - low * UP
    return Joints(hip, knee, ankle, toe_pitch, shoulder, elbow, wrist, hand, twist, -low)


def turning(twist: float, lean: float) -> np.ndarray:
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


class Body:
    """A person in a pose: where the joints are and how wide the trunk is; what clothes and bags are fitted to."""

    def __init__(self, person: Person, pose: Pose):
        self.person, self.pose, self.joints = person, pose, joints(person, pose)
        self.h = person.height
        self.turn = turning(self.joints.twist, pose.lean)
        self.hip_turn = turning(-0.6 * self.joints.twist, 0.0)
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

    def ease(self, z: float) -> float:
        """Room between the trunk and the upper garment at a height, metres."""
        waist = 1.15 if self.person.figure < 0.5 else 0.8
        return self.person.top.loose * float(
            np.interp(z / self.h, [0.5, 0.62, 0.80, 0.85], [1.0, waist, 0.55, 0.25])
        )

    def place(self, keys: np.ndarray) -> np.ndarray:
        """Turns upper-body keys about the pelvis with the twist and lean, and lifts them to where the feet hold them."""
        keys = keys.reshape(-1, 3, 3).copy()
        pivot = np.array([0, 0, 0.52 * self.h])
        keys[:, 0] = (keys[:, 0] - pivot) @ self.turn.T + pivot + self.lift * UP
        keys[:, 1:] = keys[:, 1:] @ self.turn.T
        return keys.reshape(-1, 9)

    def place_hips(self, keys: np.ndarray) -> np.ndarray:
        keys = keys.reshape(-1, 3, 3) @ self.hip_turn.T
        keys[:, 0] += self.lift * UP
        return keys.reshape(-1, 9)

    def local(self, point: np.ndarray) -> np.ndarray:
        """(N, 3) points back in the untwisted, unlifted trunk, where patterns are defined."""
        pivot = np.array([0, 0, 0.52 * self.h])
        return (point - self.lift * UP - pivot) @ self.turn + pivot

    def leg(self, side: int, radii, start=0.0, end=1.0) -> np.ndarray:
        """Keys of a leg between two fractions of its length (0 hip, 0.5 knee, 1 ankle); radii over 0..1."""
        j, h = self.joints, self.h
        hip, knee, ankle = j.hip[side], j.knee[side], j.ankle[side]
        t = np.array([0, 0.12, 0.25, 0.38, 0.47, 0.53, 0.62, 0.72, 0.84, 0.95, 1.0])
        path = np.where(
            t[:, None] < 0.5,
            hip + (knee - hip) * (t[:, None] * 2),
            knee + (ankle - knee) * (t[:, None] * 2 - 1),
        )
        calf = np.exp(-(((t - 0.65) / 0.1) ** 2)) * 0.008 * h
        path = path - calf[:, None] * FRONT
        at = np.linspace(start, end, 11) if (start, end) != (0.0, 1.0) else t
        path = np.stack([np.interp(at, t, path[:, i]) for i in range(3)], 1)
        radius = np.interp(at, np.linspace(0, 1, len(radii)), radii)
        return tube(path, radius)


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


def box(centre, half, turn=None) -> np.ndarray:
    """(n, 9) keys of a box with softened edges."""
    w, d, u = half
    rows = [
        (-u, 0, 0, 0),
        (-u, w, d, 0),
        (-u, w, d, 0),
        (0, w * 1.03, d * 1.03, 0),
        (u, w, d, 0),
        (u, w, d, 0),
        (u, 0, 0, 0),
    ]
    return stack(rows, turn, centre)


def closed(keys: np.ndarray) -> np.ndarray:
    """A limb whose far end is closed by a ring of no width, with a sharp edge."""
    rim, end = keys[-1].copy(), keys[-1].copy()
    end[3:] *= 0.02
    return np.concatenate([keys, [rim], [end]])
