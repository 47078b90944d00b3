"""A figure with controls: menus and sliders above it draw it anew; stored or printed, the figure stays."""

from collections.abc import Callable, Sequence

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure


def interact(draw: Callable[..., Figure], **controls: Sequence) -> None:
    """Show draw(**first values) below one control for each argument; moving one draws the figure anew.

    Two or more numbers make a slider, other values a menu; each starts at its first value. The controls belong to
    a running kernel and are not stored; the figure is an ordinary output, so readers without widgets see it too.

    Args:
        draw: makes a figure of one value of each control.
        controls: the values to choose from, by the name of the argument.
    """
    boxes = {name: _control(name, list(values)) for name, values in controls.items()}

    def figure() -> Figure:
        return draw(**{name: box.value for name, box in boxes.items()})

    display(ipywidgets.HBox(list(boxes.values()), layout={"flex_flow": "row wrap"}))
    shown = display(figure(), display_id=True)
    for box in boxes.values():
        box.observe(lambda change: shown.update(figure()), "value")


def _control(name: str, values: list) -> ipywidgets.Widget:
    numbers = all(isinstance(value, int | float) for value in values) and len(values) > 2
    kind = ipywidgets.SelectionSlider if numbers else ipywidgets.Dropdown
    options = {"continuous_update": False} if numbers else {}
    return kind(
        options=values,
        value=values[0],
        description=name.replace("_", " "),
        style={"description_width": "initial"},
        **options,
    )
