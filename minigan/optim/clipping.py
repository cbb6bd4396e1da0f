"""Limits on gradients, as functions from a list of arrays (or None) to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..backend import Array, array_module, numbers


def norm(gradients: Sequence[Array | None]) -> float:
    """√Σg² over all elements of all gradients, summed in float64."""
    squares = (array_module(g).square(g, dtype="float64").sum() for g in gradients if g is not None)
    return sum(numbers(squares)) ** 0.5


def clip_by_norm(gradients: Sequence[Array | None], limit: float) -> list[Array | None]:
    """All gradients times min(1, limit/norm), which keeps their joint direction.

    (Pascanu, Mikolov and Bengio, 2013.)
    """
    size = norm(gradients)
    if not size > limit:
        return list(gradients)
    return [None if g is None else g * g.dtype.type(limit / size) for g in gradients]


def clip_by_value(gradients: Sequence[Array | None], limit: float) -> list[Array | None]:
    """Every element held to [−limit, limit]."""
    return [None if g is None else _held(g, limit) for g in gradients]


def _held(g: Array, limit: float) -> Array:
    most = float(np.finfo(g.dtype).max)
    limit = g.dtype.type(min(limit, most))  # a Python number might widen a 0-d g
    return array_module(g).clip(g, -limit, limit)
