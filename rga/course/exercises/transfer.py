"""Exercises of notebook 06: a gate that starts as the identity, tokens as a map, an attention inserted by a hook.

Solutions are in the notebook.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rga.course.errors import describe
from rga.course.exercises.verdict import checker

Grid = tuple[int, int]


@checker(
    "Gate(channels) is a module: x (B, C, H, W) -> x times a gate for each channel, which starts as the identity, "
    "to the last bit, and learns from there."
)
def check_gate(answer: Callable[[int], nn.Module]) -> str:
    """Try `answer`: channels -> a module that maps (B, C, H, W) to the same shape."""
    torch.manual_seed(0)
    x = torch.randn(4, 32, 3, 2)
    try:
        gate = answer(32)
        with torch.no_grad():
            got = gate(x)
    except NotImplementedError:
        return "stage 1, it runs: forward is not written. Hint: x times the gate, (B, C, 1, 1)."
    except Exception as error:
        return f"stage 1, it runs: {describe(error)}. Hint: Gate(32) is called with x (4, 32, 3, 2)."
    if got is None or got.shape != x.shape:
        shape = "None" if got is None else tuple(got.shape)
        return f"stage 1, shape: expected {tuple(x.shape)}, got {shape}. Hint: unsqueeze the gate to (B, C, 1, 1)."
    if torch.equal(got, 0.5 * x):
        return "stage 2, identity: the output is half of x. Hint: the sigmoid of 0 is 0.5; multiply it by 2."
    if torch.equal(got, 2 * x):
        return (
            "stage 2, identity: the output is twice x. Hint: a gate of 1 multiplies x, it is not added to it."
        )
    if not torch.equal(got, x):
        far = (got - x).abs().max()
        return (
            f"stage 2, identity: the largest difference to x is {far:.1g}, expected 0. Hint: zero weights and a zero "
            "bias in the last layer make the logits 0 whatever x is; a large bias is only nearly 1."
        )
    weights = {name: p.detach().clone() for name, p in gate.named_parameters() if p.requires_grad}
    if not weights:
        return "stage 3, it learns: there are no parameters. Hint: layers of nn, made in __init__."
    try:
        moved = _trained(gate, x)
    except RuntimeError as error:
        return f"stage 3, it learns: {describe(error)}. Hint: no detach() and no torch.no_grad() in forward."
    if torch.allclose(moved, x):
        return (
            "stage 3, it learns: after 50 steps nothing has moved. Hint: a sigmoid of a large number lets no gradient "
            "through; the last layer starts at zero instead."
        )
    if torch.allclose(moved[0] / x[0], moved[1] / x[1], atol=1e-4):
        return (
            "stage 4, it looks: every image has the same gates. Hint: they are computed from x, its mean over H and W; "
            "and if the first layer starts at zero, too, nothing of x reaches the last."
        )
    if idle := [name for name, p in gate.named_parameters() if torch.equal(p, weights.get(name, p))]:
        return (
            f"stage 3, it learns: {idle[0]} has not moved. Hint: use every layer in forward, and freeze none."
        )
    ratio = moved / x
    if not torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio), atol=1e-3):
        return "stage 4, one gate a channel: positions have other gates. Hint: mean over H and W before the layers."
    if torch.allclose(ratio, ratio[:, :1].expand_as(ratio), atol=1e-3):
        return "stage 4, one gate a channel: all channels have the same. Hint: the last layer has C outputs."
    flat = x.mean((2, 3), keepdim=True).expand_as(x)
    with torch.no_grad():
        of_means = gate(flat) / flat
    if not torch.allclose(ratio, of_means, atol=1e-3):
        return "stage 4, of the means: the gates see more of x than its means. Hint: x.mean((2, 3))."
    if (ratio < 0).any():
        return "stage 5, a gate: some are below 0, and turn the sign of x. Hint: end with a sigmoid."
    return "all stages passed"


def _trained(gate: nn.Module, x: Tensor) -> Tensor:
    """The output of a gate after 50 steps towards 0 for every second image and x for the others."""
    goal = x.clone()
    goal[::2] = 0
    adam = torch.optim.Adam(gate.parameters(), lr=0.05)
    for _ in range(50):
        loss = (gate(x) - goal).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return gate(x).detach()


@checker(
    "on_map(tokens, f, grid, special) takes tokens (B, special + H W, C), applies f to them as a map (B, C, H, W) and "
    "returns tokens of the same shape; the special tokens, which come first, stay as they are."
)
def check_on_map(answer: Callable[[Tensor, Callable[[Tensor], Tensor], Grid, int], Tensor]) -> str:
    """Try `answer`: tokens, a function of maps, (H, W), number of special tokens -> tokens."""
    grid, special, channels = (2, 3), 1, 5
    tokens = torch.arange(2.0 * 7 * channels).reshape(2, 7, channels)
    exact = tokens[:, special:].mT.reshape(2, channels, *grid)
    seen, given = [], tokens.clone()

    def brighten(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return 10 * x

    try:
        got = answer(given, brighten, grid, special)
        got = got.clone()
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: tokens (2, 1 + 6, 5), grid (2, 3), special 1: leave the first "
            "token out before you make a map of 2 × 3."
        )
    if not seen:
        return "stage 1, it runs: f was not called. Hint: f(map) is the map that goes back into the tokens."
    if seen[0].shape != exact.shape:
        swapped = tuple(seen[0].shape) == (2, channels, *grid[::-1])
        hint = (
            "grid is (height, width), in this order." if swapped else "channels come before height and width."
        )
        return f"stage 2, map: expected {tuple(exact.shape)}, got {tuple(seen[0].shape)}. Hint: {hint}"
    if torch.equal(seen[0], tokens[:, special:].reshape(exact.shape)):
        return (
            "stage 2, map: the shape is right, the numbers are mixed up. Hint: reshape only cuts anew what lies in "
            "memory; first transpose (B, H W, C) to (B, C, H W)."
        )
    if torch.equal(seen[0], tokens[:, :-special].mT.reshape(exact.shape)):
        return (
            "stage 2, map: the special token is in it. Hint: special tokens come first; tokens[:, special:]."
        )
    if not torch.equal(seen[0], exact):
        return (
            "stage 2, map: the shape is right, the numbers are not. Hint: position r · W + c of the tokens is row r, "
            "column c of the map."
        )
    if got.shape != tokens.shape:
        lacking = got.ndim == 3 and got.shape[1] == grid[0] * grid[1]
        hint = "put the special tokens back, torch.cat." if lacking else "flatten the map, transpose it back."
        return f"stage 3, back: expected {tuple(tokens.shape)}, got {tuple(got.shape)}. Hint: {hint}"
    expected = torch.cat([tokens[:, :special], 10 * tokens[:, special:]], 1)
    if not torch.equal(got[:, :special], expected[:, :special]):
        return "stage 3, special: the first token has changed, or its place. Hint: it comes first, and stays as it was."
    if not torch.equal(got, expected):
        return "stage 3, back: the positions are mixed up. Hint: (B, C, H, W) -> flatten(2) -> transpose."
    if not torch.equal(given, tokens):
        return (
            "stage 4, in place: the tokens that were given have changed. Hint: torch.cat makes a new tensor."
        )
    wide = torch.randn(1, 3 + 8, 4)
    try:
        kept = answer(wide.clone(), lambda x: x, (4, 2), 3)
    except Exception as error:
        return (
            f"stage 5, other numbers: {describe(error)}. Hint: use grid and special, no numbers of your own."
        )
    if kept is None or not torch.equal(kept, wide):
        return "stage 5, other numbers: f(x) = x must change nothing, with three special tokens, too."
    return "all stages passed"


class _Small(nn.Module):
    """A network whose middle is no nn.Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).relu())


class _Nested(nn.Module):
    """A network with an nn.Sequential inside another module."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _Small()
        self.body.first = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


@checker(
    "insert(network, name, attention) puts the module `attention` behind the submodule called `name`, in place, and "
    "returns the network; no parameter that was there changes its name.",
    sees_none=True,
)
def check_insert(answer: Callable[[nn.Module, str, nn.Module], nn.Module]) -> str:
    """Try `answer`: network, name of a submodule, attention -> the network."""
    torch.manual_seed(0)
    plain, x = _Small().eval(), torch.randn(2, 3, 4, 4)
    attention = nn.Conv2d(4, 4, 1)
    mine = copy.deepcopy(attention)
    with torch.no_grad():
        before = plain(x)
        after = plain.last(mine(plain.first(x)).relu())
    try:
        network = answer(copy.deepcopy(plain), "first", attention)
        if network is None:
            return "stage 1, it runs: it returned None. Hint: change the network in place, then return it."
        with torch.no_grad():
            got = network(x)
    except Exception as error:
        return (
            f"stage 1, it runs: {describe(error)}. Hint: network.get_submodule(name).register_forward_hook(hook), "
            "where hook(module, inputs, output) returns the new output."
        )
    if torch.equal(got, before):
        return "stage 2, it acts: the output is as before. Hint: what the hook returns replaces the output; return it."
    if not torch.allclose(got, after, atol=1e-5):
        return (
            "stage 2, it acts: another output was expected. Hint: attention(output) takes the output's place."
        )
    names = network.state_dict().keys()
    if renamed := sorted(plain.state_dict().keys() - names):
        return (
            f"stage 3, names: {renamed[0]} has another name now. Hint: no nn.Sequential around the module: weights "
            "that are loaded afterwards would not be found; leave the module where it is, and hook it."
        )
    parameters = {id(p) for p in network.parameters()}
    if not parameters.issuperset(map(id, attention.parameters())):
        return (
            "stage 4, it trains: the attention is no part of the network: no optimizer and no state_dict sees it. "
            "Hint: make it a child, module.add_module('attached', attention)."
        )
    copied = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        if not torch.allclose(copied(x), after, atol=1e-5):
            return (
                "stage 5, copies: a deep copy of the network calls the original's attention. Hint: let the hook take "
                "it from the module that it is given, module.attached(output), not from the line where it was made."
            )
    return _inserted_elsewhere(answer, x)


def _inserted_elsewhere(answer: Callable[[nn.Module, str, nn.Module], nn.Module], x: Tensor) -> str:
    """Behind an nn.Sequential that lies in another module, with gradients."""
    given, attention = _Nested(), nn.Conv2d(4, 4, 1)
    plain = copy.deepcopy(given.body)
    with torch.no_grad():
        once = attention(plain.first(x))
        expected, twice = (plain.last(map_.relu()) for map_ in (once, attention(once)))
    try:
        network = answer(given, "body.first", attention)
        got = network(x)
        got.sum().backward()
    except Exception as error:
        return (
            f"stage 6, in an nn.Sequential: {describe(error)}. Hint: name is 'body.first' here, and get_submodule "
            "takes such names; no detach() and no torch.no_grad() on the way."
        )
    if network is not given:
        return "stage 6, in place: another network was returned. Hint: change the one that is given, and return it."
    if torch.allclose(got, twice, atol=1e-5):
        return (
            "stage 6, in an nn.Sequential: the attention acts twice. Hint: an nn.Sequential calls its children itself; "
            "append the attention to it, and hook nothing."
        )
    if not torch.allclose(got, expected, atol=1e-5):
        return "stage 6, in an nn.Sequential: another output was expected. Hint: append the attention to it."
    if any(p.grad is None for p in network.parameters()):
        return "stage 7, gradients: some parameters get none. Hint: no detach() and no torch.no_grad() on the way."
    return "all stages passed"
