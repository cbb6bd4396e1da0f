"""What an entry is: a public name, and how to draw a case of it to check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """A function of tensors, the float64 arrays to check it at, and the settings it was given.

    The inputs are everything that a gradient is wanted for, a layer's parameters included. The
    settings are for the eye and for JSON: plain numbers, texts and tuples of them.
    """

    function: Callable[..., Any]
    inputs: list[np.ndarray]
    settings: dict[str, Any]


class Entry(NamedTuple):
    """A public name with its recipe: random numbers in, a case out."""

    name: str
    make: Callable[[np.random.Generator], Case]

    def draw(self, seed: int) -> Case:
        """The case of that seed: new shapes, settings and values for each, the same in any run."""
        return self.make(np.random.default_rng([*self.name.encode(), seed]))


ENTRIES: dict[str, Entry] = {}
"""Every entry by its public name."""

Make = Callable[[np.random.Generator], Case]


def register(*names: str) -> Callable[[Make], Make]:
    """Decorate a function that draws cases, to be found under each of ``names``."""

    def add(make: Make) -> Make:
        for name in names:
            if name in ENTRIES:
                raise ValueError(f"register: there is an entry for {name!r} already")
            ENTRIES[name] = Entry(name, make)
        return make

    return add
