"""Derivatives by finite differences, each with the noise that was measured with it.

Along a line t ↦ φ(t) the central differences (φ(h) − φ(−h))/2h at h, h/2 and h/4 have errors in
h², h⁴, …; Richardson's extrapolation cancels the first two. The distance of the two values that
only the first is cancelled in bounds the error of truncation; the error of rounding is the noise
floor of φ (Moré and Wild, 2011) over the smallest step. Other steps are tried where that is too
much; the caller gets the best value with its noise, and decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .errors import InconclusiveCheck

Line = Callable[[float], np.ndarray]
"""t ↦ φ(t), a vector, with φ(0) subtracted: differences are then taken of small numbers."""

STEPS = (2e-3, 2e-4, 2e-2, 2e-5, 2e-6, 2e-7)
"""The largest of each three steps, in the order tried, for inputs of about 1."""


_NEXT = (3.7e-12, 1.7e-5)  # no powers of two, as x + t is to be rounded too


class Measured(NamedTuple):
    """dφ/dt at 0: the value, its absolute noise, and the slope's jump where there is a kink."""

    value: np.ndarray
    noise: np.ndarray
    jump: np.ndarray


def noise_floor(line: Line) -> np.ndarray:
    """The standard deviation of the rounding in φ, from seven values next to each other.

    Fourth differences of a smooth function over such steps vanish, so what is left is rounding:
    σ² = (4!)²/8! times their mean square (Moré and Wild, 2011, equation 3.1). The nearer values
    show that of double precision; where they are all the same, the others that of single.
    Raises ``InconclusiveCheck`` where a value is not finite.
    """
    fine = _row(line, _NEXT[0])
    found, varied = _rounding(fine), (fine != fine[0]).any(axis=0)
    if not varied.all():
        found = np.where(varied, found, _rounding(_row(line, _NEXT[1])))
    if not np.isfinite(found).all():
        raise InconclusiveCheck("a value next to the point is not finite, so no derivative is near")
    return found


def _row(line: Line, step: float) -> np.ndarray:
    """φ at seven points ``step`` apart, 0 in the middle."""
    before, after = ([line(k * step) for k in side] for side in ((-3, -2, -1), (1, 2, 3)))
    return np.stack([*before, np.zeros_like(before[0]), *after])


def _rounding(values: np.ndarray) -> np.ndarray:
    fourth = np.diff(values, 4, axis=0)
    largest = np.abs(fourth).max(axis=0)
    scaled = fourth / np.where(largest > 0, largest, 1)  # so that no square overflows
    factor = math.factorial(4) / math.sqrt(math.factorial(8))
    return np.asarray(factor * largest * np.sqrt((scaled * scaled).mean(axis=0)))


def at_step(line: Line, floor: np.ndarray | float, h: float) -> Measured:
    """The derivative from the steps h, h/2, h/4."""
    sides = [(line(h), line(-h)), (line(h / 2), line(-h / 2)), (line(h / 4), line(-h / 4))]
    first, second, third = ((up - down) / (h / 2**k * 2) for k, (up, down) in enumerate(sides))
    once, before = (4 * third - second) / 3, (4 * second - first) / 3
    rounding = 2 * np.asarray(floor) / (h / 4)
    noise = np.maximum(abs(once - before), rounding)
    jump = _jump(sides, h)
    return Measured((16 * once - before) / 15, noise, np.where(jump > 10 * rounding, jump, 0.0))


def _jump(sides: Sequence[tuple[np.ndarray, np.ndarray]], h: float) -> np.ndarray:
    """How much the slopes on the two sides differ, where that does not shrink with the step.

    It is O(h) where φ is smooth, the same at all steps at a kink, and grows where φ jumps.
    """
    wide, middle, narrow = (abs(up + down) / (h / 2**k) for k, (up, down) in enumerate(sides))
    return np.where((narrow > 0.8 * middle) & (middle > 0.8 * wide), narrow, 0.0)


def derivatives(
    lines: Sequence[Line],
    floor: np.ndarray,
    enough: Callable[[np.ndarray], np.ndarray],
) -> Measured:
    """The derivative of each line's φ, as arrays (lines, elements of φ).

    ``enough(values)`` says how much noise each may have. A line that is noisier is measured with
    the other steps too, and each of its elements keeps the value with the least noise.
    """
    found = [at_step(line, floor, STEPS[0]) for line in lines]
    for h in STEPS[1:]:
        whole = stacked(found)
        # What is exactly zero does not depend on the step.
        poor = ~(whole.noise <= enough(whole.value)) & (whole.value != 0)
        rows = np.flatnonzero(poor.any(axis=1))
        if not rows.size:
            break
        for row in map(int, rows):
            found[row] = _better(found[row], at_step(lines[row], floor, h))
    return stacked(found)


def at_finer_steps(lines: Sequence[Line], floor: np.ndarray) -> list[Measured]:
    """The derivatives at each step below the first: a second opinion on what that one says.

    A function that swings many times within a step can look quiet at it.
    """
    return [stacked([at_step(line, floor, h) for line in lines]) for h in STEPS if h < STEPS[0]]


def stacked(found: Sequence[Measured]) -> Measured:
    """Rows of measurements as one."""
    return Measured(*(np.stack(part) for part in zip(*found, strict=True)))


def _better(a: Measured, b: Measured) -> Measured:
    """Element by element the one with less noise; what is not finite is noisiest."""
    first = np.nan_to_num(a.noise, nan=np.inf) <= np.nan_to_num(b.noise, nan=np.inf)
    return Measured(*(np.where(first, x, y) for x, y in zip(a, b, strict=True)))
