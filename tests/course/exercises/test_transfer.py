"""Checkers of notebook 06 meet each known mistake with its own hint."""

import copy

import pytest
import torch
from torch import nn

from rga.course.exercises import check_gate, check_insert, check_on_map
from rga.course.exercises.verdict import PASSED


def gate(
    zeros=("last",),
    bias=0.0,
    last=lambda z: 2 * z.sigmoid(),
    mean=(2, 3),
    where=lambda x, a: x * a,
    cut=False,
):
    """A class Gate with one part made another way."""

    class Gate(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.first, self.last = nn.Linear(channels, channels // 4), nn.Linear(channels // 4, channels)
            for name in zeros:
                layer = getattr(self, name)
                nn.init.zeros_(layer.weight)
                nn.init.constant_(layer.bias, bias)

        def forward(self, x):
            pooled = x.mean(mean, keepdim=True) if mean else x
            z = self.last(self.first(pooled.movedim(1, -1)).relu()).movedim(-1, 1)
            return where(x, last(z.detach() if cut else z))

    return Gate


def test_a_gate_passes():
    assert check_gate(gate()) == PASSED
    assert check_gate(gate(last=lambda z: 1 + z.tanh())) == PASSED


class NoLayers(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x


class OfNoInput(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):
        return x * 2 * self.logits.sigmoid()


class NoForward(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        raise NotImplementedError


class Frozen(gate()):
    def __init__(self, channels):
        super().__init__(channels)
        self.first.requires_grad_(False)


class Unused(gate()):
    def __init__(self, channels):
        super().__init__(channels)
        self.more = nn.Linear(channels, channels)


class OneForAll(gate()):
    def forward(self, x):
        logits = self.last(self.first(x.mean((2, 3))).relu()).mean(1)
        return x * 2 * logits.sigmoid()[:, None, None, None]


class OfTheLargest(gate()):
    def forward(self, x):
        return x * 2 * self.last(self.first(x.amax((2, 3))).relu()).sigmoid()[:, :, None, None]


WRONG_GATE = {
    "first.weight has not moved": Frozen,
    "more.weight has not moved": Unused,
    "all channels have the same": OneForAll,
    "see more of x than its means": OfTheLargest,
    "forward is not written": NoForward,
    "stage 1, it runs: TypeError": lambda channels: 3,
    "stage 1, shape: expected (4, 32, 3, 2), got (4, 32, 1, 1)": gate(where=lambda x, a: a),
    "the output is half of x": gate(last=torch.sigmoid),
    "the output is twice x": gate(where=lambda x, a: x + x * a),
    "the largest difference to x": gate(last=torch.sigmoid, bias=10.0),
    "there are no parameters": NoLayers,
    "no detach()": gate(cut=True),
    "a sigmoid of a large number lets no gradient": gate(last=torch.sigmoid, bias=40.0),
    "every image has the same gates": OfNoInput,
    "nothing of x reaches the last": gate(zeros=("first", "last")),
    "positions have other gates": gate(mean=None),
    "turn the sign of x": gate(last=lambda z: 1 + 3 * z),
}


@pytest.mark.parametrize("hint", WRONG_GATE)
def test_known_mistakes_in_the_gate(hint):
    assert hint in check_gate(WRONG_GATE[hint])


@pytest.mark.parametrize("seed", range(20))
def test_a_gate_passes_whatever_its_random_weights_are(seed, monkeypatch):
    monkeypatch.setattr(torch, "manual_seed", lambda _, first=torch.manual_seed: first(seed))
    assert check_gate(gate()) == PASSED


def on_map(tokens, f, grid, special):
    x = tokens[:, special:].mT.unflatten(2, grid)
    return torch.cat([tokens[:, :special], f(x).flatten(2).mT], 1)


def test_tokens_pass():
    assert check_on_map(on_map) == PASSED


def mixed(tokens, f, grid, special):
    x = tokens[:, special:].reshape(len(tokens), -1, *grid)
    return torch.cat([tokens[:, :special], f(x).flatten(2).mT], 1)


def mixed_on_the_way_back(tokens, f, grid, special):
    x = f(tokens[:, special:].mT.unflatten(2, grid))
    return torch.cat([tokens[:, :special], x.reshape(len(x), -1, x.shape[1])], 1)


def special_last(tokens, f, grid, special):
    x = tokens[:, :-special].mT.unflatten(2, grid)
    return torch.cat([f(x).flatten(2).mT, tokens[:, -special:]], 1)


def in_place(tokens, f, grid, special):
    tokens[:, special:] = f(tokens[:, special:].mT.unflatten(2, grid)).flatten(2).mT
    return tokens


def last_of_all(tokens, f, grid, special):
    x = tokens[:, special:].mT.unflatten(2, grid)
    return torch.cat([f(x).flatten(2).mT, tokens[:, :special]], 1)


WRONG_ON_MAP = {
    "leave the first token out": lambda t, f, g, s: f(t.mT.unflatten(2, g)),
    "f was not called": lambda t, f, g, s: t,
    "in this order": lambda t, f, g, s: on_map(t, f, g[::-1], s),
    "channels come before": lambda t, f, g, s: f(t[:, s:].unflatten(1, g)),
    "the numbers are mixed up": mixed,
    "the special token is in it": special_last,
    "is row r, column c": lambda t, f, g, s: on_map(t.flip(1), f, g, s) if t.shape[1] == 7 else t,
    "put the special tokens back": lambda t, f, g, s: on_map(t, f, g, s)[:, s:],
    "flatten the map": lambda t, f, g, s: f(t[:, s:].mT.unflatten(2, g)),
    "stage 3, special: the first token has changed": last_of_all,
    "stage 3, back: the positions are mixed up": mixed_on_the_way_back,
    "stage 4, in place": in_place,
    "stage 5, other numbers": lambda t, f, g, s: on_map(t, f, (2, 3), 1),
    "stage 1, it runs: it returned None": lambda t, f, g, s: None,
}


@pytest.mark.parametrize("hint", WRONG_ON_MAP)
def test_known_mistakes_with_tokens(hint):
    assert hint in check_on_map(WRONG_ON_MAP[hint])


def insert(network, name, attention, hook=lambda module, inputs, output: module.attached(output)):
    module = network.get_submodule(name)
    if isinstance(module, nn.Sequential):
        module.append(attention)
    else:
        module.add_module("attached", attention)
        module.register_forward_hook(hook)
    return network


def always_hooked(network, name, attention):
    module = network.get_submodule(name)
    module.add_module("attached", attention)
    module.register_forward_hook(lambda module, inputs, output: module.attached(output))
    return network


def top_level_only(network, name, attention):
    getattr(network, name)
    return insert(network, name, attention)


def detached(network):
    """What is before the attention learns nothing."""
    if hasattr(network, "body"):
        network.body.first[0].register_forward_hook(lambda module, inputs, output: output.detach())
    return network


def test_inserting_passes():
    assert check_insert(insert) == PASSED


def around(network, name, attention):
    setattr(network, name, nn.Sequential(network.get_submodule(name), attention))
    return network


def no_child(network, name, attention):
    network.get_submodule(name).register_forward_hook(lambda m, i, output: attention(output))
    return network


def nothing_returned(module, inputs, output):
    module.attached(output)


WRONG_INSERT = {
    "stage 1, it runs: it returned None": lambda n, name, a: insert(n, name, a) and None,
    "stage 1, it runs: AttributeError": lambda n, name, a: insert(n, "nobody", a),
    "the output is as before": lambda n, name, a: insert(n, name, a, nothing_returned),
    "takes the output's place": lambda n, name, a: insert(n, name, a, lambda m, i, o: o + m.attached(o)),
    "stage 3, names": around,
    "stage 4, it trains": no_child,
    "the attention acts twice": always_hooked,
    "get_submodule takes such names": top_level_only,
    "stage 6, in place": lambda n, name, a: insert(copy.deepcopy(n) if "." in name else n, name, a),
    "stage 7, gradients": lambda n, name, a: detached(insert(n, name, a)),
    "stage 5, copies": lambda n, name, a: insert(n, name, a, lambda m, i, output: a(output)),
}


@pytest.mark.parametrize("hint", WRONG_INSERT)
def test_known_mistakes_in_inserting(hint):
    assert hint in check_insert(WRONG_INSERT[hint])
