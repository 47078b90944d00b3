"""Who a drawn person is: body, hair, clothes and things, drawn by lot; and lookalikes that differ in one detail."""

from dataclasses import asdict, dataclass, fields, replace
from enum import IntEnum

import numpy as np


class Part(IntEnum):
    """Values of a part map. 0 is everything that is not this person: background, occluders and bystanders."""

    BACKGROUND = 0
    HEAD = 1  # face, ears and neck
    HAIR = 2
    HAT = 3
    TORSO = 4  # the upper garment without its sleeves, and a dress down to its hem
    ARMS = 5  # sleeves, bare arms and hands
    LEGS = 6  # trousers, skirt and bare legs
    SHOES = 7
    BAG = 8
    BACKPACK = 9
    HELD = 10
    LOGO = 11


PRINTABLE = ("t-shirt", "sweater", "hoodie")  # garments that may bear a logo

# The one attribute in which lookalikes differ, and the part of the map where that shows.
DETAILS = {
    "logo": Part.LOGO,
    "shoes": Part.SHOES,
    "hat": Part.HAT,
    "bag": Part.BAG,
    "backpack": Part.BACKPACK,
    "held": Part.HELD,
}


@dataclass(frozen=True)
class Colour:
    """A colour by name and as it came out of the dye: sRGB, 0..255."""

    name: str
    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class Item:
    """A thing that is worn or carried."""

    kind: str
    colour: Colour


@dataclass(frozen=True)
class Garment:
    """A piece of clothing; `accent` colours its stripes or checks, the shirt under an open jacket, or its trim."""

    kind: str
    colour: Colour
    pattern: str
    accent: Colour
    loose: float  # room between body and cloth, metres


@dataclass(frozen=True)
class Person:
    """Everything that stays the same when this person is seen again."""

    height: float  # metres
    figure: float  # 0: broad shoulders and narrow hips, 1: the reverse
    weight: float  # girth, 1 is average
    skin: Colour
    hair: Item
    glasses: bool
    top: Garment
    logo: Item | None
    bottom: Garment
    shoes: Item
    hat: Item | None
    bag: Item | None
    backpack: Item | None
    held: Item | None


COLOURS = {
    "black": (28, 28, 31), "charcoal": (56, 57, 61), "grey": (116, 118, 121), "light grey": (176, 178, 180),
    "white": (232, 232, 228), "cream": (224, 211, 184), "beige": (190, 166, 131), "khaki": (139, 125, 93),
    "tan": (165, 116, 70), "brown": (92, 62, 44), "navy": (31, 40, 70), "blue": (46, 84, 150),
    "royal blue": (30, 80, 190), "sky": (132, 174, 212), "denim": (64, 88, 124), "pale denim": (130, 154, 184),
    "teal": (30, 112, 118), "green": (52, 114, 66), "olive": (88, 92, 54), "mint": (158, 206, 180),
    "red": (178, 38, 42), "burgundy": (104, 28, 44), "coral": (226, 108, 92), "pink": (226, 152, 174),
    "magenta": (176, 44, 112), "purple": (98, 60, 128), "lilac": (174, 156, 204), "orange": (216, 112, 38),
    "mustard": (196, 150, 46), "yellow": (232, 204, 78),
}  # fmt: skip

# Wardrobes: how often a colour is met, by kind of garment. Streets are darker than colour charts.
WARDROBE = {
    "casual": "white 10 black 10 grey 7 light_grey 5 navy 8 blue 6 sky 5 red 6 burgundy 3 green 4 olive 3 mint 2 "
    "pink 5 coral 3 purple 2 lilac 2 orange 3 mustard 3 yellow 3 teal 3 cream 4 beige 3 royal_blue 3 magenta 2",
    "shirt": "white 12 sky 10 light_grey 4 blue 5 navy 4 pink 4 cream 4 black 4 denim 4 mint 2 lilac 2 red 2 "
    "burgundy 2",
    "outer": "black 14 navy 9 charcoal 8 grey 6 olive 6 brown 5 beige 6 khaki 4 red 5 burgundy 3 blue 4 green 3 "
    "denim 4 mustard 2 cream 3 purple 2 teal 2 white 2 pink 2 orange 2",
    "jeans": "denim 12 navy 7 pale_denim 6 black 6 charcoal 3",
    "trousers": "black 12 charcoal 8 grey 6 navy 7 beige 6 khaki 6 brown 3 olive 4 white 2 light_grey 3 burgundy 1",
    "skirt": "black 8 navy 5 grey 3 denim 4 beige 3 red 3 pink 3 white 3 olive 2 burgundy 3 mustard 2 teal 2 purple 2",
    "shoes": "white 8 black 10 brown 6 grey 4 red 3 navy 3 tan 4 blue 2 green 1 yellow 1 pink 2",
    "bag": "black 8 brown 6 tan 5 red 4 navy 4 white 3 beige 3 green 3 blue 3 mustard 2 pink 2 grey 3 orange 2",
    "hat": "black 6 navy 5 white 4 red 5 grey 3 beige 4 green 3 blue 3 yellow 2 pink 2 burgundy 2 orange 2",
    "print": "white 8 black 6 red 6 yellow 5 royal_blue 4 green 3 orange 4 sky 3 pink 3",
    "held": "white 5 red 4 blue 3 green 3 yellow 3 brown 3 black 4 pink 2 orange 2",
}

SKIN = {
    "fair": (228, 188, 164), "light": (218, 172, 142), "medium": (196, 148, 112),
    "olive": (176, 130, 96), "brown": (142, 97, 66), "dark": (94, 62, 44),
}  # fmt: skip

HAIR = {
    "black": (30, 26, 25), "dark brown": (56, 40, 32), "brown": (92, 64, 44), "chestnut": (116, 68, 42),
    "blond": (198, 162, 104), "red": (150, 76, 40), "grey": (150, 148, 146), "white": (214, 212, 208),
}  # fmt: skip


def _pick(rng: np.random.Generator, chances: str) -> str:
    """One of the names in "black 3 light_grey 1", as often as the number after it says."""
    words = chances.split()
    names, weights = [word.replace("_", " ") for word in words[::2]], np.array(words[1::2], float)
    return names[rng.choice(len(names), p=weights / weights.sum())]


def _dye(rng: np.random.Generator, name: str, rgb: tuple[int, int, int], spread: float = 7) -> Colour:
    """No two dyes of one name are quite the same: jitter the brightness more than the hue."""
    rgb = np.array(rgb) * rng.normal(1, 0.05) + rng.normal(0, spread, 3) * [0.6, 0.5, 0.7]
    return Colour(name, tuple(int(v) for v in np.clip(np.rint(rgb), 12, 245)))


def _colour(rng: np.random.Generator, wardrobe: str, but: tuple[str, ...] = ()) -> Colour:
    while (name := _pick(rng, WARDROBE[wardrobe])) in but:
        pass
    return _dye(rng, name, COLOURS[name])


def _top(rng: np.random.Generator, figure: float) -> Garment:
    female = figure > 0.5
    kinds = "t-shirt 22 shirt 14 sweater 12 hoodie 10 jacket 15 coat 7 vest 3" + female * " dress 9"
    kind = _pick(rng, kinds)
    wardrobe = {"shirt": "shirt", "jacket": "outer", "coat": "outer"}.get(kind, "casual")
    colour = _colour(rng, wardrobe)
    accent = _colour(rng, "casual", but=(colour.name,))
    patterns = {
        "t-shirt": "plain 12 stripes 4 wide_stripes 2 chest_band 2 raglan 2",
        "shirt": "plain 9 checks 6 pinstripes 3",
        "sweater": "plain 8 stripes 3 wide_stripes 1 chest_band 2",
        "hoodie": "plain 8 raglan 2 zip 3",
        "jacket": "open 6 zip 5 yoke 2",
        "coat": "open 3 buttons 5",
        "vest": "plain 4 stripes 1",
        "dress": "plain 6 stripes 2 dots 3 belt 3",
    }[kind]
    room = {"t-shirt": 0.016, "shirt": 0.016, "sweater": 0.02, "hoodie": 0.028, "jacket": 0.03, "coat": 0.036}
    loose = room.get(kind, 0.008) * rng.uniform(0.7, 1.25)
    return Garment(kind, colour, _pick(rng, patterns), accent, round(float(loose), 4))


def _bottom(rng: np.random.Generator, figure: float, top: Garment) -> Garment:
    female = figure > 0.5
    kinds = "jeans 14 trousers 10 shorts 5" + female * " skirt 8 long_skirt 3 leggings 6"
    kind = _pick(rng, "bare 6 tights 4" if top.kind == "dress" else kinds)
    wardrobe = {"jeans": "jeans", "skirt": "skirt", "long skirt": "skirt"}.get(kind, "trousers")
    colour = _colour(rng, wardrobe)
    if kind in ("tights", "leggings"):
        colour = _dye(rng, "black", COLOURS["black"])
    pattern = "side stripe" if kind in ("trousers", "leggings") and rng.random() < 0.15 else "plain"
    if kind in ("skirt", "long skirt", "shorts") and rng.random() < 0.25:
        pattern = "checks" if kind != "long skirt" else "dots"
    cuts = {"jeans": (0.006, 0.022), "trousers": (0.012, 0.03), "shorts": (0.025, 0.04)}
    loose = round(float(rng.uniform(*cuts.get(kind, (0.002, 0.004)))), 4)
    return Garment(kind, colour, pattern, _colour(rng, "print", but=(colour.name,)), loose)


def _hair(rng: np.random.Generator, figure: float, skin: str) -> Item:
    tones = "black 5 dark_brown 7 brown 5 chestnut 2 blond 3 red 1 grey 2"
    if skin in ("brown", "dark"):
        tones = "black 8 dark_brown 4 grey 1"
    tone = _pick(rng, tones)
    styles = "short 12 side 5 buzz 4 bald 2 curly 2 long 1"
    if figure > 0.5:
        styles = "long 8 bob 6 ponytail 6 bun 4 curly 3 short 2"
    return Item(_pick(rng, styles), _dye(rng, tone, HAIR[tone], 3))


def _detail(rng: np.random.Generator, name: str, top: Garment, present: float | None = None) -> Item | None:
    """One of DETAILS; `present` is the chance that there is such a thing at all."""
    usual = {"logo": 0.35, "shoes": 1.0, "hat": 0.16, "bag": 0.36, "backpack": 0.22, "held": 0.14}
    if rng.random() >= (usual[name] if present is None else present):
        return None
    kinds = {
        "logo": "square 3 disc 3 bars 2 text 3 triangle 2",
        "shoes": "sneakers 12 leather 6 boots 4 flats 3",
        "hat": "cap 6 beanie 4 brimmed 3",
        "bag": "crossbody 6 tote 5 handbag 4 briefcase 2 shopping 3",
        "backpack": "rucksack 5 daypack 4",
        "held": "cup 3 bottle 3 folder 3 umbrella 2 phone 3",
    }[name]
    wardrobe = {"logo": "print", "shoes": "shoes", "hat": "hat", "held": "held"}.get(name, "bag")
    colour = _colour(rng, wardrobe)
    while name == "logo" and min(_distance(colour, top.colour), _distance(colour, top.accent)) < 110:
        colour = _colour(rng, wardrobe)  # a print is there to be seen
    return Item(_pick(rng, kinds), colour)


def random_person(rng: np.random.Generator) -> Person:
    """A passer-by."""
    middle = 0.2 if rng.random() < 0.52 else 0.8
    figure = float(np.clip(middle + np.clip(rng.normal(0, 0.12), -0.25, 0.25), 0, 1))
    skin = _pick(rng, "fair 4 light 8 medium 7 olive 4 brown 3 dark 2")
    top = _top(rng, figure)
    printable = top.kind in PRINTABLE and top.pattern in ("plain", "raglan")
    details = {name: _detail(rng, name, top) for name in DETAILS}
    if not printable:  # an open jacket or a busy cloth would hide it
        details["logo"] = None
    if details["backpack"] is not None and rng.random() < 0.7:
        details["bag"] = None
    return Person(
        height=round(float(np.clip(rng.normal(1.76 - 0.12 * figure, 0.06), 1.48, 1.98)), 3),
        figure=round(figure, 3),
        weight=round(float(np.clip(rng.normal(1.0, 0.09), 0.85, 1.3)), 3),
        skin=_dye(rng, skin, SKIN[skin], 3),
        hair=_hair(rng, figure, skin),
        glasses=bool(rng.random() < 0.2),
        top=top,
        bottom=_bottom(rng, figure, top),
        **details,
    )


def outfit(rng: np.random.Generator) -> dict:
    """Clothes for many, as attributes of Person: a plain top that has room for a logo, trousers and shoes."""
    while True:
        one = random_person(rng)
        if one.top.kind in PRINTABLE and one.top.pattern == "plain" and one.bottom.kind == "trousers":
            return {"top": one.top, "logo": None, "bottom": one.bottom, "shoes": one.shoes}


def lookalike(rng: np.random.Generator, person: Person, detail: str) -> Person:
    """The same person but for one of DETAILS, which is there or not, or has clearly another colour."""
    old = getattr(person, detail)
    while True:
        sure = detail == "shoes" or old is None
        new = _detail(rng, detail, person.top, present=1.0 if sure else 0.6)
        if new is None or old is None or _distance(new.colour, old.colour) > 90:
            return replace(person, **{detail: new})


def _distance(a: Colour, b: Colour) -> float:
    return float(np.linalg.norm(np.subtract(a.rgb, b.rgb)))


def differences(a: Person, b: Person) -> list[str]:
    """Names of the attributes in which two people differ."""
    return [f.name for f in fields(Person) if getattr(a, f.name) != getattr(b, f.name)]


def describe(person: Person) -> dict:
    """All attributes as plain values, for JSON."""
    return asdict(person)
