"""Sequential: layers one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..arguments import instance
from .activation import LeakyReLU, ReLU
from .context import watcher_in_force
from .convolution import Conv1D, Conv2D, Conv2DTranspose
from .dense import Dense
from .module import Module
from .normalization import BatchNorm


def conditioned(layer: Module, x: Any, condition: tuple[Any, ...]) -> Any:
    """The layer's result for x, and for the condition if it takes one."""
    return layer(x, *condition) if layer.takes_condition else layer(x)


_FOLDING = (BatchNorm, Conv1D, Conv2D, Conv2DTranspose, Dense)  # subclasses may do other things


def folded_slope(layer: Any, after: Any) -> float | None:
    """The slope of a leaky ReLU that the layer before it does in one with its own work, or None.

    That changes no bit of any result. Where layers are watched, new, or have a ``forward`` of their
    own, each one is done by itself.
    """
    if type(layer) not in _FOLDING or type(after) not in (ReLU, LeakyReLU):
        return None
    if not (layer.folds and after._created) or watcher_in_force.get() is not None:
        return None
    if "forward" in vars(layer) or "forward" in vars(after):
        return None
    return 0.0 if type(after) is ReLU else after.slope


class Sequential(Module):
    """The layers applied in turn, named "0", "1", … in parameters' dotted names.

    If one of them ``takes_condition`` so does this: called with (x, labels), it gives the labels to
    the layers that want them and x alone to the others.
    """

    per_sample = True

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            instance(f"layers[{i}]", layer, Module, "a Module")
        self.layers = layers

    def children(self) -> Iterator[tuple[str, Any]]:
        return ((name.removeprefix("layers."), inner) for name, inner in super().children())

    @property
    def input_dtype(self) -> str | None:  # type: ignore[override]
        """What the first layer takes."""
        return self.layers[0].input_dtype if self.layers else None

    @property
    def takes_condition(self) -> bool:  # type: ignore[override]
        """Whether a layer does."""
        return any(layer.takes_condition for layer in self.layers)

    def forward(self, x: Any, *condition: Any) -> Any:
        if len(condition) != self.takes_condition:
            wanted = "(x, labels)" if self.takes_condition else "x alone, as no layer takes labels"
            raise TypeError(f"{self.title}: got {1 + len(condition)} input(s), wanted {wanted}")
        pairs = zip(self.layers, (*self.layers[1:], None), strict=False)
        for layer, after in pairs:
            slope = folded_slope(layer, after)
            if slope is None:
                x = conditioned(layer, x, condition)
            else:
                x = layer.folded(x, slope)
                next(pairs)
        return x

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)
