"""Entries of products: matrices, and Einstein's sums."""

from __future__ import annotations

import math

import numpy as np

from ... import ops
from .draws import LARGE, Rng, Shape, chance, number, pick, until, values, whole
from .entries import Case, register


@register("matmul")
def _matmul(rng: Rng) -> Case:
    shapes = until(
        lambda: _factors(rng), lambda two: sum(map(math.prod, two)) <= 80 and _is_large(rng, two)
    )
    return Case(ops.matmul, [values(rng, s) for s in shapes], {})


def _factors(rng: Rng) -> list[Shape]:
    """Two shapes that ``matmul`` takes: vectors, matrices, stacks that broadcast."""
    m, k, n = (whole(rng, 1, 5) for _ in range(3))
    kinds = ["plain", "plain", "vector", "row", "column", "left stack", "stacks", "stacks"]
    kind = pick(rng, kinds)
    left, right = (m, k), (k, n)
    if kind == "vector":
        return [(k,), (k,)]
    if kind in ("row", "column"):
        stack = tuple(whole(rng, 1, 3) for _ in range(whole(rng, 0, 2)))
        return [(k,), (*stack, *right)] if kind == "row" else [(*stack, *left), (k,)]
    if kind == "left stack":
        return [(whole(rng, 2, 3), *left), right]
    if kind == "stacks":
        batch = tuple(whole(rng, 2, 3) for _ in range(whole(rng, 1, 2)))
        ends = [tuple(1 if chance(rng, 0.3) else b for b in batch) for _ in range(2)]
        cut = whole(rng, 0, len(batch)) if chance(rng, 0.4) else 0
        return [(*ends[0], *left), (*ends[1][cut:], *right)]
    return [left, right]


def _is_large(rng: Rng, shapes: list[Shape]) -> bool:
    """Small ones are let through now and then."""
    return sum(map(math.prod, shapes)) >= LARGE or chance(rng, 0.15)


@register("einsum")
def _einsum(rng: Rng) -> Case:
    subscripts, shapes = until(
        lambda: _sum(rng),
        lambda found: _is_light(*found) and _is_large(rng, found[1]),
    )
    operands = [values(rng, s) for s in shapes]
    return Case(lambda *ts: ops.einsum(subscripts, *ts), operands, {"subscripts": subscripts})


def _is_light(subscripts: str, shapes: list[Shape]) -> bool:
    result = np.einsum(subscripts, *map(np.ones, shapes))
    return sum(map(math.prod, shapes)) <= 72 and np.size(result) <= 80


def _sum(rng: Rng) -> tuple[str, list[Shape]]:
    """Subscripts and shapes: letters shared, summed away or doubled, "...", no "->"."""
    sizes = {letter: whole(rng, 1, 4) for letter in "abcd"}
    dots = pick(rng, [(), (), (2,), (2, 3), (1, 2)])
    words, shapes = [], []
    for _ in range(whole(rng, 1, 3)):
        letters = "".join(pick(rng, "abcd") for _ in range(whole(rng, 0 if dots else 1, 3)))
        width = whole(rng, 0, len(dots))
        shapes.append((*dots[len(dots) - width :], *(sizes[c] for c in letters)))
        words.append("..." + letters if dots else letters)
    used = sorted(set("".join(words)) - {"."})
    subscripts = ",".join(words)
    if chance(rng, 0.6):
        kept = "".join(used[i] for i in rng.permutation(len(used))[: whole(rng, 0, len(used))])
        subscripts += "->" + ("..." if dots else "") + kept
    return subscripts, shapes


@register("affine")
def _affine(rng: Rng) -> Case:
    lead = pick(rng, [(), (whole(rng, 3, 6),), (whole(rng, 3, 6),), (2, whole(rng, 2, 3))])
    inputs, units = whole(rng, 2, 6), whole(rng, 1, 5)
    shapes = [(*lead, inputs), (inputs, units), (units,)]
    slope = pick(rng, [1.0, 0.0, number(rng, 0.1, 0.9), number(rng, 1.1, 2.0)])

    def off_the_kink(operands: list[np.ndarray]) -> bool:
        x, weight, bias = operands
        return slope == 1 or bool(abs(x @ weight + bias).min() > 0.02)

    operands = until(lambda: [values(rng, s) for s in shapes], off_the_kink)
    return Case(lambda x, w, b: ops.affine(x, w, b, slope), operands, {"slope": slope})
