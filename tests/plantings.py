"""Wrong gradients made to order: right ones of common functions, and an error planted in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minigan.testing.diagnosis import Evidence

Rng = np.random.Generator
NOISE = 1e-10


class Scene(NamedTuple):
    """A function at a point, its right gradients under a cotangent, and near misses of them."""

    inputs: tuple[np.ndarray, ...]
    output: np.ndarray
    cotangent: np.ndarray
    gradients: tuple[np.ndarray, ...]
    slips: dict[str, list[tuple[int, np.ndarray]]] = {}  # kind -> (input, a wrong gradient of it)


class Planting(NamedTuple):
    kind: str
    scene: Scene
    index: int
    claimed: Any

    @property
    def right(self) -> np.ndarray:
        return self.scene.gradients[self.index]


def evidence(planting: Planting, rng: Rng) -> Evidence:
    """What a check would see: the right gradients, but for the noise of measuring them."""
    scene, measured = planting.scene, []
    for gradient in planting.scene.gradients:
        noise = NOISE * np.abs(gradient).max()
        measured.append(gradient + noise * rng.uniform(-1, 1, gradient.shape))
    right = measured[planting.index]
    return Evidence(
        claimed=planting.claimed,
        measured=right,
        noise=float(NOISE * np.abs(right).max()),
        place=planting.index,
        inputs=scene.inputs,
        outputs=(scene.output,),
        cotangents=(scene.cotangent,),
        others=tuple(measured),
    )


def lengths(rng: Rng, count: int) -> list[int]:
    return [int(n) for n in rng.integers(2, 7, count)]


def matmul(rng: Rng) -> Scene:
    m, k, n = lengths(rng, 3) if rng.random() < 0.7 else [int(rng.integers(2, 6))] * 3
    a, b, g = rng.normal(size=(m, k)), rng.normal(size=(k, n)), rng.normal(size=(m, n))
    return Scene((a, b), a @ b, g, (g @ b.T, a.T @ g))


def broadcast_add(rng: Rng) -> Scene:
    n, m = lengths(rng, 2)
    x, g = rng.normal(size=(n, m)), rng.normal(size=(n, m))
    if rng.random() < 0.5:
        bias, db = rng.normal(size=m), g.sum(0)
    else:
        bias, db = rng.normal(size=(n, 1)), g.sum(1, keepdims=True)
    return Scene((x, bias), x + bias, g, (g, db), {"missing_sum": [(1, g)]})


def broadcast_multiply(rng: Rng) -> Scene:
    n, h, c = lengths(rng, 3)
    x, scale, g = rng.normal(size=(n, h, c)), rng.normal(size=c), rng.normal(size=(n, h, c))
    slips = {
        "missing_sum": [(1, g * x), (1, (g * x).sum(0)), (1, (g * x).sum(0, keepdims=True))],
        "missing_factor": [(0, g), (0, np.broadcast_to(scale, x.shape).copy())],
        "extra_factor": [(0, g * scale * x), (0, g * scale**2)],
    }
    return Scene((x, scale), x * scale, g, (g * scale, (g * x).sum((0, 1))), slips)


def multiply(rng: Rng) -> Scene:
    shape = lengths(rng, int(rng.integers(1, 4)))
    a, b, g = (rng.normal(size=shape) for _ in range(3))
    slips = {"missing_factor": [(0, g), (1, g)], "extra_factor": [(0, g * b * a)]}
    return Scene((a, b), a * b, g, (g * b, g * a), slips if a.size >= 4 else {})


def subtract_twice(rng: Rng) -> Scene:
    shape = lengths(rng, 2)
    a, b, g = (rng.normal(size=shape) for _ in range(3))
    return Scene((a, b), a - 2 * b, g, (g, -2 * g))


def batch_norm(rng: Rng) -> Scene:
    n, c = int(rng.integers(4, 8)), int(rng.integers(2, 5))
    x, scale, g = rng.normal(size=(n, c)), rng.normal(size=c), rng.normal(size=(n, c))
    sigma = np.sqrt(x.var(0) + 1e-3)
    hat = (x - x.mean(0)) / sigma
    dhat = g * scale
    first, second = dhat.mean(0), hat * (dhat * hat).mean(0)
    dx = (dhat - first - second) / sigma
    slips = {
        "term": [(0, (dhat - second) / sigma), (0, (dhat - first) / sigma)],
        "extra_factor": [(0, dx * scale)],
        "missing_factor": [(0, dx / scale)],
    }
    return Scene((x, scale), hat * scale, g, (dx, (g * hat).sum(0)), slips)


def softmax(rng: Rng) -> Scene:
    n, c = lengths(rng, 2)
    x, g = rng.normal(size=(n, c)), rng.normal(size=(n, c))
    y = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    right = y * (g - (g * y).sum(1, keepdims=True))
    slips = {"term": [(0, y * g), (0, y * (g - (g * y).mean(1, keepdims=True)))]}
    return Scene((x,), y, g, (right,), slips)


def sliding_sum(rng: Rng) -> Scene:
    n, length, taps = int(rng.integers(2, 4)), int(rng.integers(5, 9)), int(rng.integers(2, 4))
    x, w = rng.normal(size=(n, length)), rng.normal(size=taps)
    g = rng.normal(size=(n, length - taps + 1))
    windows = np.lib.stride_tricks.sliding_window_view(x, taps, axis=1)
    dx = np.zeros_like(x)
    for k in range(taps):
        dx[:, k : k + g.shape[1]] += g * w[k]
    return Scene((x, w), windows @ w, g, (dx, np.einsum("nt,ntk->k", g, windows)))


def elementwise(rng: Rng) -> Scene:
    shape = lengths(rng, int(rng.integers(1, 5)))
    x, g = rng.normal(size=shape), rng.normal(size=shape)
    y = np.tanh(x)
    right = g * (1 - y**2)
    slips = {"term": [(0, g)], "missing_factor": [(0, 1 - y**2)]}
    return Scene((x,), y, g, (right,), slips if x.size >= 4 else {})


def leaky(rng: Rng) -> Scene:
    shape = lengths(rng, 3)
    x, g = rng.normal(size=shape), rng.normal(size=shape)
    right = g * np.where(x > 0, 1, 0.2)
    slips = {"elements": [(0, g * np.where(x > 0, 1, 0.3)), (0, g * (x > 0))]}
    return Scene((x,), np.where(x > 0, x, 0.2 * x), g, (right,), slips)


def mean(rng: Rng) -> Scene:
    n, m = lengths(rng, 2)
    x, g = rng.normal(size=(n, m)), rng.normal(size=m)
    right = np.broadcast_to(g / n, (n, m)).copy()
    return Scene((x,), x.mean(0), g, (right,), {"factor": [(0, right * n), (0, right / n)]})


def penalty(rng: Rng) -> Scene:
    shape = lengths(rng, 2)
    x, w, g = rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=())
    slips = {"term": [(0, g * w), (0, g * (w + 3 * x))]}
    y = np.asarray((x * w).sum() + 0.5 * (x**2).sum())
    return Scene((x, w), y, g, (g * (w + x), g * x), slips)


def roll(rng: Rng) -> Scene:
    n, m = lengths(rng, 2)
    x, g = rng.normal(size=(n, m)), rng.normal(size=(n, m))
    return Scene((x,), np.roll(x, 1, 1), g, (np.roll(g, -1, 1),), {"shifted": [(0, g)]})


def cumulative_sum(rng: Rng) -> Scene:
    n, m = lengths(rng, 2)
    x, g = rng.normal(size=(n, m)), rng.normal(size=(n, m))
    return Scene((x,), x.cumsum(1), g, (g[:, ::-1].cumsum(1)[:, ::-1],))


def lookup(rng: Rng) -> Scene:
    table, at = rng.normal(size=(7, int(rng.integers(2, 5)))), np.array([0, 3, 3, 1, 5, 4, 6, 0])
    g = rng.normal(size=(len(at), table.shape[1]))
    right, assigned = np.zeros_like(table), np.zeros_like(table)
    np.add.at(right, at, g)
    assigned[at] = g
    none = np.zeros(at.shape)
    return Scene((table, at), table[at], g, (right, none), {"elements": [(0, assigned)]})


SCENES: list[Callable[[Rng], Scene]] = [
    *(matmul, broadcast_add, broadcast_multiply, multiply, subtract_twice, batch_norm, softmax),
    *(sliding_sum, elementwise, leaky, mean, penalty, roll, cumulative_sum, lookup),
]

# --- errors: each makes a wrong gradient from a right one, or None where it can't


def _axis(rng: Rng, right: np.ndarray) -> int:
    return int(rng.integers(right.ndim))


def _factor(rng: Rng, right: np.ndarray) -> np.ndarray:
    known = [2, 0.5, -2, float(right.size), 1 / right.shape[0], float(rng.normal())]
    return right * rng.choice(known)


def _transposed(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    if right.ndim < 2:
        return None
    return np.swapaxes(right, *rng.choice(right.ndim, 2, replace=False))


def _permuted(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    return np.moveaxis(right, 0, 2) if right.ndim == 3 else None


def _flipped(rng: Rng, right: np.ndarray) -> np.ndarray:
    return np.flip(right, rng.choice(right.ndim, int(rng.integers(1, right.ndim + 1)), False))


def _shifted(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    axis, by = _axis(rng, right), int(rng.choice([-1, 1, 2]))
    if right.shape[axis] < 4:
        return None
    moved = np.roll(right, by, axis)
    if rng.random() < 0.5:
        rows = np.moveaxis(moved, axis, 0)
        rows[slice(None, by) if by > 0 else slice(by, None)] = 0
    return moved


def _reshaped(rng: Rng, right: np.ndarray) -> np.ndarray:
    return np.expand_dims(right, _axis(rng, right)) if rng.random() < 0.5 else right.reshape(-1, 1)


def _not_finite(rng: Rng, right: np.ndarray) -> np.ndarray:
    wrong = right.copy()
    wrong.flat[rng.integers(right.size)] = rng.choice([np.nan, np.inf])
    return wrong


def _extra_sum(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    axis = _axis(rng, right)
    return right.sum(axis, keepdims=bool(rng.integers(2))) if right.shape[axis] > 1 else None


def _constant(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    return right + rng.choice([0.3, -1.7, right.mean()]) if right.size >= 6 else None


def _own_mean(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    axis = _axis(rng, right)
    enough = right.size >= 6 and right.shape[axis] > 1
    return right - right.mean(axis, keepdims=True) if enough else None


def _elements(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    """A slice at an end of an axis is wrong, or are a few elements anywhere."""
    axis, wrong = _axis(rng, right), right.copy()
    if right.size < 8 or right.shape[axis] < 2:
        return None
    if rng.random() < 0.5:
        np.moveaxis(wrong, axis, 0)[rng.choice([0, -1])] *= rng.choice([0, 2, 0.7])
    else:
        wrong.flat[rng.choice(right.size, 2, False)] += rng.normal(size=2)
    return wrong


def _along_axis(rng: Rng, right: np.ndarray) -> np.ndarray | None:
    axis = _axis(rng, right)
    length = right.shape[axis]
    if length < 2 or np.count_nonzero(right) < right.size or right.size < 4 * length:
        return None
    shape = [length if k == axis else 1 for k in range(right.ndim)]
    return right * rng.uniform(0.5, 3, shape)


ERRORS: dict[str, Callable[[Rng, np.ndarray], np.ndarray | None]] = {
    "sign": lambda rng, right: -right,
    "absolute": lambda rng, right: np.abs(right) if 1 < (right < 0).sum() < right.size else None,
    "zero": lambda rng, right: np.zeros_like(right),
    "dtype": lambda rng, right: right.astype(np.float32),
    "factor": _factor,
    "transposed": _transposed,
    "permuted_axes": _permuted,
    "flipped": _flipped,
    "shifted": _shifted,
    "reshaped": _reshaped,
    "not_finite": _not_finite,
    "extra_sum": _extra_sum,
    "constant": _constant,
    "own_mean": _own_mean,
    "elements": _elements,
    "factor_along_axis": _along_axis,
    "shape": lambda rng, right: right[1:] if len(right) > 1 and right.size >= 4 else None,
}

BY_SCENE = ["missing_sum", "missing_factor", "extra_factor", "term", "swapped", "elements"]
"""Errors that depend on the function: slips of its own gradient, or another input's."""


def plantings(rng: Rng, count: int) -> Iterator[Planting]:
    """Errors of all kinds in turn, each in a function drawn at random."""
    kinds = [*ERRORS, *BY_SCENE]
    for k in range(count):
        kind, found = kinds[k % len(kinds)], None
        while found is None:
            found = _plant(kind, k >= len(ERRORS) and k % len(kinds) >= len(ERRORS), rng)
        yield found


TERMS = {"missing_term", "extra_term"}
"""A term of +T too many is a term of −T missing: which of the two is said isn't judged."""

NAMES = {"term": TERMS, "constant": TERMS, "own_mean": TERMS}
"""The explanations' names for errors that are planted under another one."""


def _plant(kind: str, by_scene: bool, rng: Rng) -> Planting | None:
    scene = SCENES[rng.integers(len(SCENES))](rng)
    if not by_scene:
        index = 0 if scene.inputs[-1].dtype.kind == "i" else int(rng.integers(len(scene.inputs)))
        claimed = ERRORS[kind](rng, scene.gradients[index])
    elif kind == "swapped":
        index, claimed = 0, scene.gradients[-1] if len(scene.gradients) > 1 else None
        claimed = None if scene.inputs[-1].dtype.kind == "i" else claimed
    else:
        slips = scene.slips.get(kind, [])
        index, claimed = slips[rng.integers(len(slips))] if slips else (0, None)
    if claimed is None:
        return None
    right = scene.gradients[index]
    # What changes nothing is no error; what is right in value is one of dtype only.
    if kind != "dtype" and claimed.shape == right.shape:
        with np.errstate(invalid="ignore"):
            if np.abs(claimed - right).max() <= 1e-3 * np.abs(right).max():
                return None
    if kind == "own_mean" and np.abs(claimed).max() <= 1e-9:
        return None  # all that there was is gone: zero is the simpler name
    return Planting(kind, scene, index, claimed)


# --- errors that no explanation in the catalogue fits: "unknown" is the only right answer

BEYOND: dict[str, Callable[[Rng, np.ndarray], np.ndarray]] = {
    "noise in every element": lambda rng, right: right * rng.uniform(0.5, 2, right.shape),
    "small noise": lambda rng, right: right * (1 + 1e-5 * rng.normal(size=right.shape)),
    "another gradient": lambda rng, right: rng.normal(size=right.shape),
    "a factor and a constant": lambda rng, right: 2.3 * right + 0.31,
    "a function of it": lambda rng, right: np.cbrt(right),
    "a little of a function of it": lambda rng, right: right + 1e-3 * np.sin(9 * right),
    "whole numbers added": lambda rng, right: right + rng.integers(1, 9, right.shape),
}


def beyond(rng: Rng, count: int) -> Iterator[Planting]:
    for k in range(count):
        name, found = list(BEYOND)[k % len(BEYOND)], None
        while found is None:
            scene = SCENES[rng.integers(len(SCENES))](rng)
            if scene.gradients[0].size >= 8:
                found = Planting(name, scene, 0, BEYOND[name](rng, scene.gradients[0]))
        yield found
