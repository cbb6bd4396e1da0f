"""Entries of what works on maps (N, H, W, C): convolution, pooling, resizing, normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ops
from ...kernels.choice import ALGORITHMS
from ...tensor import Tensor
from .draws import (
    LARGE,
    Rng,
    Shape,
    Sliding,
    axes,
    chance,
    length_over,
    map_shape,
    number,
    pick,
    pooling,
    shape,
    sliding,
    until,
    values,
)
from .entries import Case, register

# Convolution


@register("conv2d")
def _conv2d(rng: Rng) -> Case:
    plan = sliding(rng)
    inputs = [values(rng, plan.map), values(rng, plan.weights)]
    settings = plan.settings
    return Case(
        lambda x, w: ops.conv2d(x, w, **settings), inputs, {**settings, **_chunks(rng, plan)}
    )


@register("conv1d")
def _conv1d(rng: Rng) -> Case:
    plan = sliding(rng, flat=True)
    n, _, length, channels = plan.map
    inputs = [values(rng, (n, length, channels)), values(rng, plan.weights[1:])]
    window = plan.window
    sides = window.padding[1]
    settings: dict[str, Any] = {
        "stride": window.stride[1],
        "padding": plan.padding if isinstance(plan.padding, str) else _shortest(sides),
        "dilation": window.dilation[1],
        "groups": plan.groups,
    }
    return Case(
        lambda x, w: ops.conv1d(x, w, **settings), inputs, {**settings, **_chunks(rng, plan)}
    )


def _shortest(sides: tuple[int, int]) -> Any:
    return sides[0] if sides[0] == sides[1] else sides


@register("conv2d_transpose")
def _conv2d_transpose(rng: Rng) -> Case:
    plan = sliding(rng)
    inputs = [values(rng, plan.result), values(rng, plan.weights)]
    settings = {**plan.settings, "output_size": plan.size}
    if _default_size(plan) == plan.size and chance(rng):
        settings["output_size"] = None
    return Case(
        lambda x, w: ops.conv2d_transpose(x, w, **settings),
        inputs,
        {**settings, **_chunks(rng, plan)},
    )


def _default_size(plan: Sliding) -> tuple[int, ...]:
    """The size that a transposed convolution makes when none is asked for, from its definition."""
    window, found = plan.window, []
    for a in (0, 1):
        small, stride, reach = plan.result[1 + a], window.stride[a], window.reach(a)
        if plan.padding == "same":
            found.append(small * stride)
        elif plan.padding == "valid":
            found.append(small * stride + max(reach - stride, 0))
        else:
            found.append((small - 1) * stride + reach - sum(window.padding[a]))
    return tuple(found)


def _algorithm(algorithm: str) -> None:
    """Convolution, or its transpose, by the algorithm of that name: the setting is forced."""

    @register(f"conv2d.{algorithm}")
    def draw(rng: Rng) -> Case:
        plan, transposed = sliding(rng, algorithm=algorithm), chance(rng)
        settings = plan.settings | ({"output_size": plan.size} if transposed else {})
        function = ops.conv2d_transpose if transposed else ops.conv2d
        first = values(rng, plan.result if transposed else plan.map)
        return Case(
            lambda x, w: function(x, w, **settings),
            [first, values(rng, plan.weights)],
            {"conv": algorithm, "transposed": transposed, **settings, **_chunks(rng, plan)},
        )


for _name in ALGORITHMS:
    _algorithm(_name)


def _chunks(rng: Rng, plan: Sliding) -> dict[str, Any]:
    """How many elements of columns are made at a time: all, one image's or two images'."""
    kh, kw, channels, _ = plan.weights
    per_image = math.prod(plan.result[1:3]) * kh * kw * channels
    limit = pick(rng, [None, per_image, 2 * per_image])
    return {"columns_at_a_time": limit}


# Pooling and resizing


def _pool(name: str, kind: str) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        full, settings = pooling(rng)
        x = values(rng, full, kind)
        return Case(lambda x: getattr(ops, name)(x, **settings), [x], settings)


_pool("avg_pool2d", "any")
_pool("max_pool2d", "distinct")


@register("global_avg_pool2d")
def _global_avg_pool2d(rng: Rng) -> Case:
    return Case(ops.global_avg_pool2d, [values(rng, map_shape(rng))], {})


@register("global_sum_pool2d")
def _global_sum_pool2d(rng: Rng) -> Case:
    return Case(ops.global_sum_pool2d, [values(rng, map_shape(rng))], {})


@register("global_max_pool2d")
def _global_max_pool2d(rng: Rng) -> Case:
    return Case(ops.global_max_pool2d, [values(rng, map_shape(rng), "distinct")], {})


def _upsampling(name: str) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        down, across = pick(rng, [(1, 1), (2, 2), (1, 3), (3, 1), (2, 1), (1, 4)])
        factor = down if down == across else (down, across)
        most = max(LARGE, 80 // (down * across))
        x = values(rng, map_shape(rng, most=most))
        return Case(lambda x: getattr(ops, name)(x, factor), [x], {"factor": factor})


_upsampling("upsample_bilinear")
_upsampling("upsample_nearest")


@register("pixel_shuffle")
def _pixel_shuffle(rng: Rng) -> Case:
    factor = pick(rng, [1, 2, 3, 3])
    x = values(rng, map_shape(rng, factor * factor))
    return Case(lambda x: ops.pixel_shuffle(x, factor), [x], {"factor": factor})


# Normalisation


def spread(rng: Rng, full: Shape, axis: Any) -> np.ndarray:
    """Values whose variance over ``axis`` is nowhere small, so that 1/σ bends gently."""
    return until(
        lambda: values(rng, full), lambda x: bool(x.var(axis=axis, keepdims=True).min() > 0.15)
    )


def _eps(rng: Rng) -> float:
    return pick(rng, [1e-3, 1e-5, 0.01, number(rng, 0.05, 0.5)])


@register("normalize")
def _normalize(rng: Rng) -> Case:
    full, axis = _several(rng, 1, lambda ndim: axes(rng, ndim))
    settings = {"axis": axis, "eps": _eps(rng)}
    given = chance(rng, 0.3)

    def function(x: Tensor) -> Tensor:
        return ops.normalize(x, **settings, statistics=ops.moments(x, axis) if given else None)

    x = spread(rng, full, axis)
    return Case(function, [x], {**settings, "statistics": "given" if given else None})


@register("batch_norm")
def _batch_norm(rng: Rng) -> Case:
    full, axis = _several(rng, 2, lambda ndim: tuple(range(ndim - 1)))
    eps, given = _eps(rng), chance(rng, 0.3)
    slope = pick(rng, [1.0, 0.0, number(rng, 0.1, 0.9), number(rng, 1.1, 2.0)])

    def function(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        statistics = ops.moments(x, axis) if given else None
        return ops.batch_norm(x, gamma, beta, eps, statistics, slope)

    def off_the_kink(inputs: list[np.ndarray]) -> bool:
        x, gamma, beta = inputs
        y = (x - x.mean(axis)) / np.sqrt(x.var(axis) + eps) * gamma + beta
        return slope == 1 or bool(abs(y).min() > 0.02)

    inputs = until(lambda: _normalized(rng, full, axis), off_the_kink)
    settings = {"eps": eps, "slope": slope, "statistics": "given" if given else None}
    return Case(function, inputs, settings)


@register("instance_norm")
def _instance_norm(rng: Rng) -> Case:
    full, axis = _several(rng, 3, lambda ndim: tuple(range(1, ndim - 1)))
    eps = _eps(rng)
    inputs = _normalized(rng, full, axis)
    return Case(lambda x, gamma, beta: ops.instance_norm(x, gamma, beta, eps), inputs, {"eps": eps})


@register("layer_norm")
def _layer_norm(rng: Rng) -> Case:
    full, axis = _several(rng, 1, lambda ndim: ndim - 1)
    eps = _eps(rng)
    inputs = _normalized(rng, full, axis)
    return Case(lambda x, gamma, beta: ops.layer_norm(x, gamma, beta, eps), inputs, {"eps": eps})


def _several(rng: Rng, dims: int, axis_of: Callable[[int], Any]) -> tuple[Shape, Any]:
    """A shape and axes with three elements or more: two are ±1 whatever they were, but for eps."""

    def draw() -> tuple[Shape, Any]:
        full = shape(rng, dims)
        return full, axis_of(len(full))

    return until(draw, lambda found: length_over(*found) > 2)


def _normalized(rng: Rng, full: Shape, axis: Any) -> list[np.ndarray]:
    """x, γ and β."""
    channels = (full[-1],)
    return [spread(rng, full, axis), values(rng, channels, "off_zero"), values(rng, channels)]
