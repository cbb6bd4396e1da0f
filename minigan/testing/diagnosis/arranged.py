"""Right values in a wrong place: other axes, other order, another input, summed or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from .evidence import Axes, Explanation, Facts, distinct, named_axes, subsets

LARGEST_SHIFT = 16
MOST_AXES = 5
"""Beyond these, rearrangements aren't looked for: there are too many."""


def _telling(values: np.ndarray) -> bool:
    """Whether a rearrangement of these values could be told from another."""
    return distinct(values) >= 2


def swapped(facts: Facts) -> Explanation | None:
    """The gradient of another input."""
    for j, other in enumerate(facts.evidence.others):
        if j == facts.evidence.place or other is None or not _telling(other):
            continue
        if facts.near(facts.claimed, other):
            words = f"the claimed gradient is that of input {j}, not of input "
            return Explanation("swapped", f"{words}{facts.evidence.place}")
    return None


def permuted(facts: Facts) -> Explanation | None:
    """The right gradient with its axes in another order."""
    right, dims = facts.measured, facts.measured.ndim
    if not 2 <= dims <= MOST_AXES or facts.claimed.ndim != dims or not _telling(right):
        return None
    orders = sorted(permutations(range(dims)), key=lambda order: len(_moved(order)))
    for order in orders[1:]:
        if not facts.near(facts.claimed, right.transpose(order)):
            continue
        if dims == 2:
            return Explanation("transposed", "the claimed gradient is the right one transposed")
        words = f"the claimed gradient is the right one with its axes in the order {order}"
        plain = len(_moved(order)) == 2 or order == tuple(reversed(range(dims)))
        return Explanation("transposed" if plain else "permuted_axes", words)
    return None


def _moved(order: Axes) -> Axes:
    return tuple(k for k, axis in enumerate(order) if k != axis)


def flipped(facts: Facts) -> Explanation | None:
    """The right gradient reversed along some axes."""
    if not facts.same_shape or facts.measured.ndim > MOST_AXES or not _telling(facts.measured):
        return None
    long = (k for k, length in enumerate(facts.measured.shape) if length > 1)
    for axes in subsets(long):
        if facts.near(facts.claimed, np.flip(facts.measured, axes)):
            words = f"the claimed gradient is the right one flipped along {named_axes(axes)}"
            return Explanation("flipped", words)
    return None


def shifted(facts: Facts) -> Explanation | None:
    """The right gradient moved along one axis."""
    if not facts.same_shape:
        return None
    for axis, length in enumerate(facts.measured.shape):
        for size in range(1, min(length - 1, LARGEST_SHIFT) + 1):
            for by in (size, -size):
                moved = np.roll(facts.measured, by, axis)
                rows = [slice(None)] * moved.ndim
                rows[axis] = slice(None, by) if by > 0 else slice(by, None)
                filled = moved.copy()
                filled[tuple(rows)] = 0
                for candidate, how in ((moved, "cyclically"), (filled, "with zeros coming in")):
                    if _telling(candidate) and facts.near(facts.claimed, candidate):
                        words = "the claimed gradient is the right one shifted by "
                        return Explanation("shifted", f"{words}{by:+d} along axis {axis}, {how}")
    return None


def _reductions(values: np.ndarray) -> Iterator[tuple[str, Axes, np.ndarray]]:
    """Sums and means over all selections of axes, with the summed axes kept at length 1."""
    if values.ndim > MOST_AXES:
        return
    for axes in subsets(range(values.ndim)):
        total = values.sum(axes, keepdims=True)
        if total.size < values.size:  # axes of length 1 alone leave nothing to sum
            yield "summed", axes, total
            yield "averaged", axes, total * (total.size / values.size)


def _dropping(total: np.ndarray, axes: Axes) -> list[np.ndarray]:
    """With the summed axes kept, and with some or all of them dropped."""
    return [total, *(np.squeeze(total, dropped) for dropped in subsets(axes))]


def missing_sum(facts: Facts) -> Explanation | None:
    """The claimed gradient still has an axis that the input doesn't, or has with length 1."""
    wanted = facts.measured
    for verb, axes, total in _reductions(facts.claimed):
        if any(facts.near(each, wanted) for each in _dropping(total, axes)):
            words = (
                f"the claimed gradient, of shape {facts.claimed.shape}, is right once it is "
                f"{verb} over {named_axes(axes)}, which leaves the input's shape {wanted.shape}"
            )
            return Explanation("missing_sum", words)
    return None


def extra_sum(facts: Facts) -> Explanation | None:
    """The right gradient summed where it should not be, dropping axes or spread out again."""
    right = facts.measured
    for verb, axes, total in _reductions(right):
        spread = np.broadcast_to(total, right.shape)
        if any(facts.near(facts.claimed, each) for each in (*_dropping(total, axes), spread)):
            words = f"the claimed gradient is the right one {verb} over {named_axes(axes)}"
            return Explanation("extra_sum", words)
    return None


def reshaped(facts: Facts) -> Explanation | None:
    """The right numbers in another shape."""
    if facts.same_shape or facts.claimed.size != facts.measured.size:
        return None
    if not facts.near(facts.claimed.reshape(facts.measured.shape), facts.measured):
        return None
    # A transposed vector, say, has its own explanation.
    if facts.claimed.ndim == facts.measured.ndim and permuted(facts) is not None:
        return None
    words = (
        f"the claimed gradient has the right values in their order, in the shape "
        f"{facts.claimed.shape} instead of {facts.measured.shape}"
    )
    if _without_units(facts.claimed.shape) == _without_units(facts.measured.shape):
        more = facts.claimed.ndim > facts.measured.ndim
        words += ": an axis of length 1 is " + ("kept" if more else "dropped or misplaced")
    return Explanation("reshaped", words)


def _without_units(shape: Axes) -> Axes:
    return tuple(length for length in shape if length != 1)
