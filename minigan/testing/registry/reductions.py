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


@register("var")
def _var(rng: Rng) -> Case:
    def draw() -> tuple[tuple[int, ...], Any]:
        full = shape(rng, 1)
        return full, axes(rng, len(full))

    # The variance of a single element is zero whatever it is.
    full, axis = until(draw, lambda found: length_over(*found) > 1)
    ddof = whole(rng, 0, min(3, length_over(full, axis) - 1))
    settings = {"axis": axis, "ddof": ddof, "keepdims": chance(rng)}
    return Case(lambda x: ops.var(x, **settings), [values(rng, full)], settings)
