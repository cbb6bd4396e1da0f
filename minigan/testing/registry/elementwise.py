"""Entries of what works element by element: arithmetic, selection, activations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from ... import ops
from ...backend import to_device
from ...ops.operators import to
from ...primitives import astype
from ...random import Stream
from ...tensor import Tensor
from .draws import (
    Rng,
    Shape,
    broadcastable,
    chance,
    number,
    pick,
    reduced,
    shape,
    some_positive,
    until,
    values,
    whole,
)
from .entries import Case, register


def _of_one(name: str, kind: str) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        return Case(getattr(ops, name), [values(rng, shape(rng), kind)], {})


for _name, _kind in {
    "absolute": "off_zero",
    "cos": "any",
    "exp": "any",
    "expm1": "any",
    "gelu": "any",
    "log": "positive",
    "log1p": "unit",
    "negative": "any",
    "sigmoid": "any",
    "sin": "any",
    "softplus": "any",
    "sqrt": "positive",
    "tanh": "any",
}.items():
    _of_one(_name, _kind)


def _of_two(name: str, kinds: tuple[str, str]) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        shapes = broadcastable(rng)
        inputs = [values(rng, s, kind) for s, kind in zip(shapes, kinds, strict=True)]
        return Case(getattr(ops, name), inputs, {})


for _name, _kinds in {
    "add": ("any", "any"),
    "divide": ("any", "off_zero"),
    "multiply": ("any", "any"),
    "subtract": ("any", "any"),
}.items():
    _of_two(_name, _kinds)


@register("maximum")
def _maximum(rng: Rng) -> Case:
    return Case(ops.maximum, _rivals(rng), {})


@register("minimum")
def _minimum(rng: Rng) -> Case:
    return Case(ops.minimum, _rivals(rng), {})


def _rivals(rng: Rng) -> list[np.ndarray]:
    """Two arrays without ties, each of which is the larger one somewhere."""

    def draw() -> list[np.ndarray]:
        shapes = broadcastable(rng)
        sizes = [int(np.prod(s)) for s in shapes]
        both = values(rng, (sum(sizes),), "distinct")
        parts = np.split(both, sizes[:1])
        return [part.reshape(s) for part, s in zip(parts, shapes, strict=True)]

    return until(draw, lambda two: 0 < float(np.mean(two[0] > two[1])) < 1)


@register("power")
def _power(rng: Rng) -> Case:
    if chance(rng):  # a tensor as exponent
        base, exponent = broadcastable(rng)
        inputs = [values(rng, base, "positive"), values(rng, exponent)]
        return Case(ops.power, inputs, {"exponent": "tensor"})
    p = pick(rng, [2, 3, 4, 1, -1, -2, 0.5, 1.0, 1.5, -0.5, number(rng, 2.1, 3.9)])
    base = shape(rng)
    x = values(rng, base, "off_zero" if p == int(p) else "positive")
    return Case(lambda x: ops.power(x, p), [x], {"exponent": p})


@register("where")
def _where(rng: Rng) -> Case:
    def draw() -> tuple[list[Shape], np.ndarray]:
        shapes = broadcastable(rng)
        full = np.broadcast_shapes(*shapes)
        return shapes, rng.random(reduced(rng, full)) < 0.5

    shapes, condition = until(draw, lambda found: 0 < found[1].mean() < 1)
    inputs = [values(rng, s) for s in shapes]

    def function(a: Tensor, b: Tensor) -> Tensor:
        return ops.where(to_device(condition, a.device), a, b)

    return Case(function, inputs, {"condition": condition.shape})


@register("clip")
def _clip(rng: Rng) -> Case:
    x = values(rng, shape(rng), "distinct")
    inside = float(rng.choice(x.ravel()))  # so that something passes; bounds are multiples of 0.2
    low = round(np.floor(inside * 5) / 5 - 0.2 * whole(rng, 0, 8), 1)
    high = round(np.ceil(inside * 5) / 5 + 0.2 * whole(rng, 0, 8), 1)
    bounds: dict[str, Any] = pick(
        rng, [{"low": low, "high": high}, {"low": low, "high": high}, {"low": low}, {"high": high}]
    )
    return Case(lambda x: ops.clip(x, **bounds), [x], bounds)


@register("sign")
def _sign(rng: Rng) -> Case:
    # By itself its gradient is zero, and there would be nothing to compare.
    return Case(lambda x: ops.sign(x) * x, [values(rng, shape(rng), "off_zero")], {})


@register("astype")
def _astype(rng: Rng) -> Case:
    dtype = pick(rng, ["float64", "d"])
    x = values(rng, shape(rng))
    return Case(lambda x: astype(x, dtype), [x], {"dtype": dtype})


@register("to")
def _to(rng: Rng) -> Case:
    # The same device gives x itself, which a product tells from a constant.
    return Case(lambda x: to(x, x.device) * x, [values(rng, shape(rng))], {})


# Activations with settings


@register("relu")
def _relu(rng: Rng) -> Case:
    return Case(ops.relu, [some_positive(rng, shape(rng))], {})


@register("leaky_relu")
def _leaky_relu(rng: Rng) -> Case:
    slope = pick(rng, [0.3, 0.2, 0.01, 0.0, 1.5, number(rng, 0.05, 0.95)])
    x = some_positive(rng, shape(rng))
    return Case(lambda x: ops.leaky_relu(x, slope), [x], {"slope": slope})


@register("elu")
def _elu(rng: Rng) -> Case:
    alpha = pick(rng, [1.0, 0.5, 2.0, number(rng, 0.1, 3.0)])
    x = values(rng, shape(rng), "off_zero")
    return Case(lambda x: ops.elu(x, alpha), [x], {"alpha": alpha})


def _along(name: str) -> Callable[[Rng], Case]:
    @register(name)
    def draw(rng: Rng) -> Case:
        # Along a single element both are constant.
        full = shape(rng, 1, least_side=2, most=64)
        axis = whole(rng, -len(full), len(full) - 1)
        x = values(rng, full)
        return Case(lambda x: getattr(ops, name)(x, axis), [x], {"axis": axis})

    return draw


for _name in ("log_softmax", "softmax"):
    _along(_name)


@register("dropout")
def _dropout(rng: Rng) -> Case:
    x = values(rng, shape(rng))
    rate = pick(rng, [0.5, 0.25, number(rng, 0.05, 0.7)])
    seed = some_kept(rng, x.shape, rate)
    return Case(lambda x: ops.dropout(x, rate, Stream(seed)), [x], {"rate": rate})


def some_kept(rng: Rng, full: Shape, rate: float, name: str = "") -> int:
    """A seed whose stream of that name keeps something of an array of that shape."""
    seeds = count(whole(rng, 0, 1 << 30))
    return next(seed for seed in seeds if Stream(seed, name).keep_mask(full, rate).any())


@register("binary_cross_entropy")
def _binary_cross_entropy(rng: Rng) -> Case:
    settings = {
        "target": pick(rng, [0.0, 1.0, number(rng, 0.1, 0.9)]),
        "eps": pick(rng, [1e-7, number(rng, 0.001, 0.04)]),
    }
    p = values(rng, shape(rng), "probability")
    return Case(functools.partial(ops.binary_cross_entropy, **settings), [p], settings)


@register("binary_cross_entropy_with_logits")
def _binary_cross_entropy_with_logits(rng: Rng) -> Case:
    settings = {"target": pick(rng, [0.0, 1.0, number(rng, 0.1, 0.9)])}
    function = functools.partial(ops.binary_cross_entropy_with_logits, **settings)
    return Case(function, [values(rng, shape(rng))], settings)
