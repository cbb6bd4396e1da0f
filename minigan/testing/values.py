"""Arrays to test with: generic values that keep off kinks, in any float dtype and memory layout.

Gradients are compared at points where a derivative exists. A *kind* of values says what the
points keep away from; within it they are generic, so that no zero, one or tie hides an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import FLOATS

Shape = tuple[int, ...]
Rng = np.random.Generator


def _distinct(rng: Rng, size: int) -> np.ndarray:
    return (rng.permutation(size) - size // 2 + 0.5 + rng.uniform(-0.2, 0.2, size)) / 5


KINDS: dict[str, Callable[[Rng, int], np.ndarray]] = {
    "any": lambda rng, size: rng.normal(size=size),
    "positive": lambda rng, size: rng.uniform(0.3, 2.0, size),
    "off_zero": lambda rng, size: rng.choice([-1, 1], size) * rng.uniform(0.2, 2.0, size),
    "unit": lambda rng, size: rng.uniform(-0.9, 0.9, size),
    "probability": lambda rng, size: rng.uniform(0.05, 0.95, size),
    "distinct": _distinct,
}
"""Kinds of values, each a function from (generator, count) to that many float64 numbers.

    any          standard normal
    positive     in [0.3, 2), for logarithms, roots, powers and divisors
    off_zero     0.2 to 2 from zero on either side, for relu, abs and the like
    unit         in (−0.9, 0.9), for what has poles at ±1
    probability  in (0.05, 0.95), for losses on probabilities
    distinct     0.06 or more from every multiple of 0.2 and at most one element between two of
                 them, for max, min, clip at such a multiple, and sorting
"""


def _strided(a: np.ndarray) -> np.ndarray:
    if not a.ndim:
        return a
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)  # who reads between, sees NaN
    wide[..., ::2] = a
    return wide[..., ::2]


def _repeated(a: np.ndarray) -> np.ndarray:
    return np.broadcast_to(a[:1], a.shape) if a.ndim and a.size else a


def _overlapping(a: np.ndarray) -> np.ndarray:
    if not a.size:
        return a
    return np.lib.stride_tricks.as_strided(a, a.shape, (a.itemsize,) * a.ndim, writeable=False)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda a: a,
    "transposed": lambda a: np.array(a, order="F"),
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "strided": _strided,
    "repeated": _repeated,
    "overlapping": _overlapping,
}
"""Layouts in memory, each a function from a contiguous array to one of its shape and dtype.

    contiguous   C order
    transposed   Fortran order
    reversed     negative strides
    strided      every second element of a wider array that has NaN in between
    repeated     read-only, the first row over and over: its stride is zero
    overlapping  read-only, all strides one element: a[i, j] is the memory of a[j, i]

The last two hold fewer values than elements, so theirs are other values than were passed.
"""


def values(
    seed: int,
    shape: Shape,
    kind: str = "any",
    dtype: Any = "float64",
    layout: str = "contiguous",
) -> np.ndarray:
    """The array of ``shape`` that belongs to ``seed``, of a kind, a float dtype and a layout.

    Elements are drawn in float64 and rounded to ``dtype``, so that float16 and float32 see nearly
    the same point.
    """
    check_choice("kind", kind, KINDS)
    check_choice("layout", layout, LAYOUTS)
    dtype, size = check_float(dtype), math.prod(shape)
    if kind == "distinct":
        _check_distinct(size, dtype, layout)
    flat = KINDS[kind](np.random.default_rng(seed), size)
    return LAYOUTS[layout](flat.astype(dtype, copy=False).reshape(shape))


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Raise unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name}: got {value!r}, wanted one of {', '.join(map(repr, choices))}")


def check_float(dtype: Any) -> np.dtype:
    """``dtype`` as one of the three float dtypes."""
    found = np.dtype(dtype)
    if found not in FLOATS:
        raise ValueError(f"dtype: got {found}, wanted float16, float32 or float64")
    return found


def _check_distinct(size: int, dtype: np.dtype, layout: str) -> None:
    if layout in ("repeated", "overlapping"):
        raise ValueError(
            f"layout: got {layout!r} with kind 'distinct', but its elements share memory and so "
            "are not distinct: choose another kind or layout"
        )
    # Elements reach size / 10; what rounding moves them by must stay below 0.02.
    if size / 10 * np.finfo(dtype).eps / 2 > 0.02:
        raise ValueError(
            f"dtype: {dtype} can't keep {size} distinct elements apart: take fewer, or a wider "
            "dtype"
        )


__all__ = ["KINDS", "LAYOUTS", "values"]
