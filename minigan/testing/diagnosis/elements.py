"""Right but for some elements: how many, where, and what is claimed there."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np

from .evidence import Explanation, Facts, coefficient, largest
from .quantities import cotangents, inputs, outputs, spread

FEWEST_SELECTIONS = 500
"""In how many ways the wrong elements could lie, for a condition that picks them to mean much."""


def elements(facts: Facts) -> Explanation | None:
    """Three quarters of the elements that aren't zero agree, or one if a region says where."""
    if not facts.same_shape:
        return None
    wrong, shown = facts.wrong, facts.visible
    total, agreeing = int(shown.sum()), int((shown & ~wrong).sum())
    if agreeing < 2:
        return None
    fits = (
        name if np.array_equal(at, wrong) else f"{name} and the gradient is not zero"
        for name, at in _regions(facts)
        if np.array_equal(at & shown, wrong)
    )
    region = next(fits, None)
    if agreeing < total * (0.75 if region is None else 0.25):
        return None
    words = f"{int(wrong.sum())} of {wrong.size} elements are wrong, "
    words += _places(facts) if region is None else f"just those {region}"
    return Explanation("elements", f"{words}{_there(facts)}")


def _regions(facts: Facts) -> Iterator[tuple[str, np.ndarray]]:
    """Sets of elements that people have names for, the simplest first."""
    yield from _slices(facts.wrong)
    yield from _repeated_indices(facts)
    # Dozens of sets follow: one of them has the wrong elements by chance where there are few.
    if comb(int(facts.visible.sum()), int(facts.wrong.sum())) >= FEWEST_SELECTIONS:
        yield from _conditions(facts)


def _conditions(facts: Facts) -> Iterator[tuple[str, np.ndarray]]:
    known = [*inputs(facts), *outputs(facts), *cotangents(facts)]
    for name, values in spread(known, facts.measured.shape):
        yield f"where {name} is negative", values < 0
        yield f"where {name} is positive", values > 0
        yield f"where {name} is zero", values == 0
    yield "where the right gradient is negative", facts.measured < 0
    yield "where the right gradient is positive", facts.measured > 0
    yield "where the claimed gradient is zero", facts.claimed == 0
    yield "where the input has a value more than once", _repeated_values(facts.input)
    yield "that are on the border", _border(facts.measured.shape)


def _slices(wrong: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Whole slices across one axis: those that a wrong element touches, at most half of them."""
    for axis, length in enumerate(wrong.shape):
        rest = tuple(k for k in range(wrong.ndim) if k != axis)
        touched = np.flatnonzero(wrong.any(rest))
        if not 1 <= len(touched) <= length / 2:
            continue
        at = np.zeros(wrong.shape, bool)
        np.moveaxis(at, axis, 0)[touched] = True
        yield f"at {_indices(touched.tolist(), length)} of axis {axis}", at


def _indices(touched: list[int], length: int) -> str:
    if len(touched) == 1:
        ends = {0: "the first index", length - 1: "the last index"}
        return ends.get(touched[0], f"index {touched[0]}")
    shown = ", ".join(str(k) for k in touched[:6])
    return f"indices {shown}{', …' if len(touched) > 6 else ''}"


def _repeated_indices(facts: Facts) -> Iterator[tuple[str, np.ndarray]]:
    """Rows that another input, an array of whole numbers, names more than once."""
    for j, other in enumerate(facts.evidence.inputs):
        values = np.asarray(other, np.float64)
        if j == facts.evidence.place or values.size < 2 or (values != np.floor(values)).any():
            continue
        for axis, length in enumerate(facts.measured.shape):
            if values.min() < -length or values.max() >= length:
                continue
            counts = np.bincount(values.astype(int).ravel() % length, minlength=length)
            at = np.zeros(facts.measured.shape, bool)
            np.moveaxis(at, axis, 0)[counts > 1] = True
            yield f"at indices of axis {axis} that input {j} names more than once", at


def _repeated_values(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] > 1).reshape(values.shape)


def _border(shape: tuple[int, ...]) -> np.ndarray:
    at = np.ones(shape, bool)
    at[tuple(slice(1, -1) if length > 2 else slice(None) for length in shape)] = False
    return at


def _places(facts: Facts) -> str:
    found = [tuple(int(k) for k in index) for index in np.argwhere(facts.wrong)]
    return f"at {', '.join(map(str, found[:6]))}{', …' if len(found) > 6 else ''}"


def _there(facts: Facts) -> str:
    """What is claimed at the wrong elements, if one statement fits them all."""
    claimed, right = facts.claimed[facts.wrong], facts.measured[facts.wrong]
    if not claimed.any():
        return "; the claimed gradient is zero there"
    if largest(right) <= facts.acceptance:
        return "; the right gradient is zero there"
    c = coefficient(claimed, right)
    if claimed.size < 2 or not c or not facts.near(claimed / c, right):
        return ""
    return f"; there it is {c:.8g} times the right one"
