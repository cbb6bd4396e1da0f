"""Arrays of drawn shapes, and what is drawn along with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..values import KINDS, LAYOUTS, check_choice, check_float, values
from .shapes import Shape, axes, shapes


def seeds() -> SearchStrategy[int]:
    """A seed for ``values``, or for any other random numbers."""
    return st.integers(0, 2**32 - 1)


def float_dtypes() -> SearchStrategy[str]:
    """The name of one of the dtypes that tensors have."""
    return st.sampled_from(["float64", "float32", "float16"])


def arrays(
    shape: Shape | SearchStrategy[Shape] | None = None,
    kind: str | SearchStrategy[str] = "any",
    dtype: Any = "float64",
    layout: str | SearchStrategy[str] = "contiguous",
) -> SearchStrategy[np.ndarray]:
    """An array of generic values, none of them at a kink.

    Each argument is a value or a strategy for it. ``shape`` is any of ``shapes()`` by default;
    ``kind`` is one of ``KINDS`` and ``layout`` of ``LAYOUTS``, which say what they promise;
    ``dtype`` may be ``float_dtypes()``.
    """
    if isinstance(kind, str):
        check_choice("kind", kind, KINDS)
    if isinstance(layout, str):
        check_choice("layout", layout, LAYOUTS)
    if not isinstance(dtype, SearchStrategy):
        check_float(dtype)
    shape = shapes() if shape is None else shape
    return st.builds(values, seeds(), *(_strategy(a) for a in (shape, kind, dtype, layout)))


def _strategy(value: Any) -> SearchStrategy[Any]:
    return value if isinstance(value, SearchStrategy) else st.just(value)


def arrays_with_axis(
    kind: str = "any", min_side: int = 1, max_dims: int = 3
) -> SearchStrategy[tuple[np.ndarray, None | int | Shape]]:
    """An array and an ``axis`` to reduce it over; no axis is empty unless ``min_side`` is 0."""
    found = arrays(shapes(max_dims=max_dims, min_side=min_side), kind)
    return found.flatmap(lambda a: st.tuples(st.just(a), axes(a.ndim)))
