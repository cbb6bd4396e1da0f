"""Limits on gradients, as functions from a list of arrays (or None) to another."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce

import numpy as np

from ..backend import Array, array_module, numbers


def norm(gradients: Sequence[Array | None]) -> float:
    """√Σg² over all elements of all gradients, summed in float64."""
    return sum(numbers(_square(g) for g in gradients if g is not None)) ** 0.5


def _square(g: Array) -> Array:
    return array_module(g).square(g, dtype="float64").sum()


def clip_by_norm(gradients: Sequence[Array | None], limit: float) -> list[Array | None]:
    """All gradients times min(1, limit/norm), which keeps their joint direction.

    (Pascanu, Mikolov and Bengio, 2013.) On a GPU the norm stays there, and nothing waits for it.
    """
    present = [g for g in gradients if g is not None]
    xp = array_module(present[0]) if present else np
    if xp is not np:
        size = xp.sqrt(reduce(operator.add, map(_square, present)))
        share = xp.where(size > limit, limit / size, 1.0)
        return [None if g is None else g * share.astype(g.dtype) for g in gradients]
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
