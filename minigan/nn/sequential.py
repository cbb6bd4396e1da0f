"""Sequential: layers one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .module import Module


class Sequential(Module):
    """The layers applied in turn, named "0", "1", … in parameters' dotted names."""

    per_sample = True

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(f"layers[{i}]: got {type(layer).__name__}, wanted a Module")
        self.layers = layers

    def children(self) -> Iterator[tuple[str, Any]]:
        return ((name.removeprefix("layers."), inner) for name, inner in super().children())

    @property
    def input_dtype(self) -> str | None:  # type: ignore[override]
        """What the first layer takes."""
        return self.layers[0].input_dtype if self.layers else None

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)
