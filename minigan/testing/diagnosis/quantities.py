"""The arrays and sizes that errors are made of, with names that a person understands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isclose, isqrt, sqrt
from typing import NamedTuple

import numpy as np

from .evidence import Axes, Facts, named_axes


class Quantity(NamedTuple):
    """An array that a formula may hold, and what to call it."""

    name: str
    values: np.ndarray


def inputs(facts: Facts) -> list[Quantity]:
    """This input first: it is the likeliest to stand in a formula for its own gradient."""
    index, arrays = facts.evidence.place, facts.evidence.inputs
    order = sorted(range(len(arrays)), key=lambda j: j != index)
    return [Quantity(f"input {j}", np.asarray(arrays[j], np.float64)) for j in order]


def cotangents(facts: Facts) -> list[Quantity]:
    """What the outputs are weighted with."""
    return _numbered("the cotangent", facts.evidence.cotangents)


def outputs(facts: Facts) -> list[Quantity]:
    """The function's values."""
    return _numbered("the output", facts.evidence.outputs)


def _numbered(name: str, arrays: Iterable[np.ndarray]) -> list[Quantity]:
    arrays = [np.asarray(a, np.float64) for a in arrays]
    one = len(arrays) == 1
    return [Quantity(name if one else f"{name} {k}", a) for k, a in enumerate(arrays)]


def products(first: Iterable[Quantity], second: Iterable[Quantity]) -> Iterator[Quantity]:
    """Every one of the first times every one of the second that broadcasts with it."""
    second = list(second)
    for a in first:
        for b in second:
            if broadcast_shape(a.values.shape, b.values.shape) is not None:
                yield Quantity(f"{a.name} times {b.name}", a.values * b.values)


def broadcast_shape(*shapes: Axes) -> Axes | None:
    """What the shapes broadcast to, None where they do not."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def spread(found: Iterable[Quantity], shape: Axes) -> Iterator[Quantity]:
    """Those that broadcasting brings to the shape, brought to it."""
    for name, values in found:
        if broadcast_shape(values.shape, shape) == shape and np.isfinite(values).all():
            yield Quantity(name, np.broadcast_to(values, shape))


def fitted(found: Iterable[Quantity], shape: Axes) -> Iterator[Quantity]:
    """Those that broadcasting, or the sum that is its adjoint, brings to the shape."""
    for name, values in found:
        if not np.isfinite(values).all():
            continue
        both = broadcast_shape(values.shape, shape)
        if both == shape:
            yield Quantity(name, np.broadcast_to(values, shape))
        elif both is not None and both == values.shape:
            extra = values.ndim - len(shape)
            ones = [k for k, n in enumerate(shape, extra) if n == 1 and values.shape[k] != 1]
            axes = (*range(extra), *ones)
            total = f"the sum over {named_axes(axes)} of {_grouped(name)}"
            yield Quantity(total, values.sum(axes).reshape(shape))


def averages(quantity: Quantity, axes: Axes) -> list[Quantity]:
    """The mean and the sum over some axes, spread out again; over none, the quantity itself."""
    if not axes:
        return [quantity]
    name, values = quantity
    total = values.sum(axes, keepdims=True)
    over = "" if len(axes) == values.ndim else f" over {named_axes(axes)}"
    return [
        Quantity(f"the {word}{over} of {_grouped(name)}", np.broadcast_to(found, values.shape))
        for word, found in (("mean", total * (total.size / values.size)), ("sum", total))
    ]


def _grouped(name: str) -> str:
    return f"({name})" if " times " in name or " of " in name else name


def sizes(facts: Facts) -> dict[int, list[str]]:
    """Every length and number of elements in sight, with what it is the size of."""
    found: dict[int, list[str]] = {}
    for name, values in [*inputs(facts), *outputs(facts)]:
        for axis, length in enumerate(values.shape):
            found.setdefault(length, []).append(f"the length of axis {axis} of {name}")
        if values.ndim > 1:
            found.setdefault(values.size, []).append(f"the number of elements of {name}")
        if facts.input.size and values.size % facts.input.size == 0:
            ratio = values.size // facts.input.size
            words = f"the elements of {name} per element of input {facts.evidence.place}"
            found.setdefault(ratio, []).append(words)
    return {size: names for size, names in found.items() if size > 1}


def plain(c: float) -> bool:
    """Whether a coefficient is ±1, ±2 or ±1/2: what formulas have whatever the shapes are."""
    return any(_same(abs(c), each) for each in (0.5, 1, 2))


def natural(c: float, facts: Facts) -> str | None:
    """What a number is, if it is one that formulas have: "" if that is plain, None for others."""
    value = abs(c)
    if not value or _same(value, 1):
        return "" if value else None
    upside = value if value > 1 else 1 / value
    known = sizes(facts)
    # Two and a half come with formulas, whatever the shapes are.
    forms = [(f"{size}", float(size), size) for size in known if size > 2]
    forms += [("", float(number), 0) for number in (2, 3, 4)]
    forms += [(f"√{size}", sqrt(size), size) for size in known if isqrt(size) ** 2 != size]
    # Of small numbers such a ratio is as likely a formula's own: 2/3 where x³ lost its 3.
    ratios = [(f"{size}/{size - 1}", size / (size - 1), size) for size in known if size > 2]
    forms += [(text, form, size if size > 5 else 0) for text, form, size in ratios]
    for text, form, size in forms:
        if _same(upside, form):
            shown = text if value > 1 else _inverse(text)
            return f"{shown}, where {size} is {' and '.join(known[size][:2])}" if size else ""
    return None


def unit(c: float) -> bool:
    """Whether a coefficient is ±1."""
    return _same(abs(c), 1)


def _inverse(text: str) -> str:
    return "/".join(reversed(text.split("/"))) if "/" in text else f"1/{text}"


def _same(a: float, b: float) -> bool:
    return isclose(a, b, rel_tol=2e-6)
