"""Entries of what moves elements: shapes, joining, indexing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import ops
from .draws import (
    Rng,
    Shape,
    an_axis,
    axes,
    chance,
    number,
    pick,
    reduced,
    shape,
    until,
    values,
    whole,
)
from .entries import Case, register

# Shapes


@register("broadcast_to")
def _broadcast_to(rng: Rng) -> Case:
    full = shape(rng, most=72)
    inner = reduced(rng, full)
    # A third of them only gain an axis, so that the operand itself is large.
    if chance(rng, 0.65):
        full, inner = (2, *full) if math.prod(full) <= 48 else full, full
    return Case(lambda x: ops.broadcast_to(x, full), [values(rng, inner)], {"shape": full})


@register("reshape")
def _reshape(rng: Rng) -> Case:
    x = values(rng, shape(rng))
    sides = _factored(rng, x.size)
    if sides and chance(rng):
        sides[whole(rng, 0, len(sides) - 1)] = -1
    target = sides[0] if len(sides) == 1 and chance(rng) else tuple(sides)
    return Case(lambda x: ops.reshape(x, target), [x], {"shape": target})


def _factored(rng: Rng, size: int) -> list[int]:
    """Sides whose product is ``size``, some of them 1."""
    sides = [1] * whole(rng, 0 if size == 1 else 1, 4)
    for prime in (2, 3, 5, 7):
        while size % prime == 0:
            size //= prime
            sides[whole(rng, 0, len(sides) - 1)] *= prime
    if size > 1:
        sides[0] *= size
    return sides


@register("flatten")
def _flatten(rng: Rng) -> Case:
    return Case(ops.flatten, [values(rng, shape(rng, 1))], {})


@register("transpose")
def _transpose(rng: Rng) -> Case:
    x = values(rng, shape(rng))
    order = tuple(int(a) - x.ndim if chance(rng) else int(a) for a in rng.permutation(x.ndim))
    chosen = None if chance(rng, 0.25) else order
    return Case(lambda x: ops.transpose(x, chosen), [x], {"axes": chosen})


@register("flip")
def _flip(rng: Rng) -> Case:
    x = values(rng, shape(rng))
    axis = axes(rng, x.ndim)
    return Case(lambda x: ops.flip(x, axis), [x], {"axis": axis})


@register("roll")
def _roll(rng: Rng) -> Case:
    x = values(rng, shape(rng, 1))
    axis = axes(rng, x.ndim)
    count = len(axis) if isinstance(axis, tuple) else 1
    shifts = tuple(whole(rng, -4, 7) for _ in range(count))
    shift = shifts if isinstance(axis, tuple) else shifts[0]
    settings = {"shift": shift, "axis": axis}
    return Case(lambda x: ops.roll(x, **settings), [x], settings)


# Joining


@register("concatenate")
def _concatenate(rng: Rng) -> Case:
    shapes, axis = until(lambda: _rows(rng), lambda found: sum(map(math.prod, found[0])) <= 64)
    settings = {"axis": axis, "parts": len(shapes)}
    return Case(lambda *ts: ops.concatenate(ts, axis), [values(rng, s) for s in shapes], settings)


def _rows(rng: Rng) -> tuple[list[Shape], int]:
    """Shapes that differ along one axis only, and that axis."""
    first = shape(rng, 1, most=36)
    axis = an_axis(rng, len(first))
    lengths = [first[axis], *(whole(rng, 1, 2) for _ in range(whole(rng, 0, 2)))]
    at = axis % len(first)
    shapes = [(*first[:at], n, *first[at + 1 :]) for n in lengths]
    return [shapes[i] for i in rng.permutation(len(shapes))], axis


@register("stack")
def _stack(rng: Rng) -> Case:
    each = shape(rng, most=30)
    axis = an_axis(rng, len(each) + 1)
    parts = [values(rng, each) for _ in range(whole(rng, 1, 2 if math.prod(each) > 20 else 4))]
    settings = {"axis": axis, "parts": len(parts)}
    return Case(lambda *ts: ops.stack(ts, axis), parts, settings)


@register("split")
def _split(rng: Rng) -> Case:
    x = values(rng, shape(rng, 1))
    axis = an_axis(rng, x.ndim)
    size = x.shape[axis]
    cuts = sorted(int(c) for c in rng.permutation(size + 1)[: whole(rng, 0, min(3, size))])
    equal = pick(rng, [n for n in range(1, size + 1) if size % n == 0])
    # A cut at an end leaves a part of no elements, which is a part nevertheless.
    settings: dict[str, Any] = {"sections": tuple(cuts) if chance(rng) else equal, "axis": axis}
    return Case(lambda x: ops.split(x, **settings), [x], settings)


@register("pad")
def _pad(rng: Rng) -> Case:
    mode = pick(rng, ["constant", "edge", "reflect"])
    full, widths = until(lambda: _padded(rng, mode), _is_light)
    x = values(rng, full)
    settings: dict[str, Any] = {"widths": widths, "mode": mode}
    if mode == "constant":
        settings["value"] = pick(rng, [0.0, number(rng, -2, 2)])
    return Case(lambda x: ops.pad(x, **settings), [x], settings)


def _padded(rng: Rng, mode: str) -> tuple[Shape, Any]:
    """A shape, and widths for all its axes in one of the three spellings."""
    full = shape(rng, most=36, max_dims=3)
    return full, pick(rng, [_each_side, _same_on_both, _everywhere])(rng, full, mode)


def _is_light(found: tuple[Shape, Any]) -> bool:
    full, widths = found
    pairs = np.broadcast_to(np.asarray(widths), (len(full), 2))
    return math.prod(n + int(sum(pair)) for n, pair in zip(full, pairs, strict=True)) <= 100


def _width(rng: Rng, side: int, mode: str) -> int:
    """As wide as the mode allows: what is reflected may be wider than the axis, if that has two."""
    return whole(rng, 0, 0 if mode == "reflect" and side == 1 else 2)


def _each_side(rng: Rng, full: Shape, mode: str) -> Any:
    pairs = tuple((_width(rng, n, mode), _width(rng, n, mode)) for n in full)
    return pairs or 0


def _same_on_both(rng: Rng, full: Shape, mode: str) -> Any:
    least = min(full, default=2)
    return (_width(rng, least, mode), _width(rng, least, mode))


def _everywhere(rng: Rng, full: Shape, mode: str) -> Any:
    return _width(rng, min(full, default=2), mode)


# Indexing


@register("getitem")
def _getitem(rng: Rng) -> Case:
    x = values(rng, shape(rng, most=60))
    index = pick(rng, [_basic, _advanced, _advanced, _mask])(rng, x.shape)
    return Case(lambda x: ops.getitem(x, index), [x], {"index": _spelt(index)})


def _basic(rng: Rng, full: Shape) -> tuple[Any, ...]:
    """Numbers, slices of either direction, new axes, an ellipsis."""
    parts: list[Any] = [
        whole(rng, -n, n - 1) if chance(rng, 0.2) else _slice(rng, n)
        for n in full[: whole(rng, 0, len(full))]
    ]
    for extra in (None, Ellipsis):
        if chance(rng, 0.3):
            parts.insert(whole(rng, 0, len(parts)) if extra is None else len(parts), extra)
    return tuple(parts)


def _slice(rng: Rng, side: int) -> slice:
    start = pick(rng, [None, whole(rng, 0, side - 1)])
    return slice(start, None, pick(rng, [None, 1, 2, -1, -2]))


def _advanced(rng: Rng, full: Shape) -> tuple[Any, ...]:
    """At least one list of places, repeated and counted from either end, among slices."""
    length = whole(rng, 1, 4)
    lists = [[whole(rng, -n, n - 1) for _ in range(length)] for n in full]
    parts: list[Any] = [
        places if chance(rng) else _slice(rng, n) for n, places in zip(full, lists, strict=True)
    ]
    if full and all(isinstance(part, slice) for part in parts):
        parts[0] = lists[0]
    return tuple(parts)


def _mask(rng: Rng, full: Shape) -> np.ndarray:
    """A boolean for each element or each row, not all False."""
    axes_covered = full[: whole(rng, 1, max(1, len(full)))]
    return until(lambda: rng.random(axes_covered) < 0.6, lambda mask: bool(np.any(mask)))


def _spelt(index: Any) -> str:
    """The index as one would write it, without the brackets."""
    if isinstance(index, tuple):
        return ", ".join(map(_spelt, index)) or "()"
    if isinstance(index, slice):
        sides = ["" if n is None else str(n) for n in (index.start, index.stop, index.step)]
        return ":".join(sides)
    if isinstance(index, np.ndarray):
        return f"mask of {int(index.sum())} in {index.shape}"
    return "..." if index is Ellipsis else str(index)


@register("take")
def _take(rng: Rng) -> Case:
    x = values(rng, shape(rng, 1))
    axis = None if chance(rng, 0.3) else an_axis(rng, x.ndim)
    side = x.size if axis is None else x.shape[axis]
    count = pick(rng, [(), (1,), (4,), (2, 3), (5,)])
    indices = rng.integers(-side, side, count).tolist()
    settings = {"indices": indices, "axis": axis}
    return Case(lambda x: ops.take(x, **settings), [x], settings)


@register("embedding")
def _embedding(rng: Rng) -> Case:
    small, large = [(1, 3), (3, 1), (2, 2)], [(5, 5), (4, 6), (6, 4), (8, 3), (7, 5), (9, 4)]
    rows, width = pick(rng, large if chance(rng, 0.75) else small)
    ids = rng.integers(0, rows, pick(rng, [(), (3,), (6,), (2, 3), (2, 1, 4)])).tolist()
    table = values(rng, (rows, width))
    return Case(lambda t: ops.embedding(t, ids), [table], {"ids": ids})
