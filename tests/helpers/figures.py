"""What the tests of figures share: three small people, and the words that a figure shows."""

import io

import torch

PEOPLE = torch.randint(0, 256, (3, 3, 32, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def text_of(figure):
    """All visible words of a figure, after drawing it."""
    figure.savefig(io.BytesIO(), format="png")
    return " | ".join(t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text")))
