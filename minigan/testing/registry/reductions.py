"""Entries of reductions: over one axis, several, none or all."""

from __future__ import annotations

from typing import Any

from ... import ops
from .draws import Rng, axes, chance, length_over, shape, until, values, whole
from .entries import Case, register


def _reduction(name: str, kind: str) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        x = values(rng, shape(rng), kind)
        settings = {"axis": axes(rng, x.ndim), "keepdims": chance(rng)}
        return Case(lambda x: getattr(ops, name)(x, **settings), [x], settings)


for _name, _kind in {
    "logsumexp": "any",
    "max": "distinct",
    "mean": "any",
    "min": "distinct",
    "sum": "any",
}.items():
    _reduction(_name, _kind)


def _several(rng: Rng) -> tuple[tuple[int, ...], Any]:
    """A shape, and axes over which there is more than one element."""

    def draw() -> tuple[tuple[int, ...], Any]:
        full = shape(rng, 1)
        return full, axes(rng, len(full))

    return until(draw, lambda found: length_over(*found) > 1)


@register("norm")
def _norm(rng: Rng) -> Case:
    full, axis = _several(rng)  # that of a single element is |x|, whose gradient does not vary
    settings = {"axis": axis, "keepdims": chance(rng)}
    return Case(lambda x: ops.norm(x, **settings), [values(rng, full, "off_zero")], settings)


@register("var")
def _var(rng: Rng) -> Case:
    full, axis = _several(rng)  # that of a single element is zero, whatever it is
    ddof = whole(rng, 0, min(3, length_over(full, axis) - 1))
    settings = {"axis": axis, "ddof": ddof, "keepdims": chance(rng)}
    return Case(lambda x: ops.var(x, **settings), [values(rng, full)], settings)
