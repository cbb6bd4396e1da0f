"""One call of a function, and the shapes that most calls are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minigan.testing.strategies import shapes


@dataclass(frozen=True)
class Case:
    """A call: the operands, what comes before them, and the settings after them."""

    arrays: list[np.ndarray]
    settings: dict[str, Any] = field(default_factory=dict)
    before: tuple[Any, ...] = ()
    as_list: bool = False  # whether the function takes its operands as one sequence

    def call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` of the operands alone."""
        if self.as_list:
            return lambda *tensors: function(tensors, **self.settings)
        return lambda *tensors: function(*self.before, *tensors, **self.settings)


def mostly(usual: Any, other: Any) -> Any:
    """``usual`` three times out of four."""
    return st.integers(0, 3).flatmap(lambda n: usual if n else other)


FULL = shapes(min_dims=3, max_dims=4, min_side=2, max_side=5)
ANY = mostly(FULL, shapes(max_dims=4))  # 0-d and size 0 among them
FILLED = mostly(FULL, shapes(min_side=1))
AXED = mostly(FULL, shapes(min_dims=1, min_side=1))  # with an axis to name
EPS = st.sampled_from([1e-5, 1e-3, 0.1])
