"""What is known of a wrong gradient, and what an explanation of it looks like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

Axes = tuple[int, ...]


class Evidence(NamedTuple):
    """A claimed gradient beside the measured one, and all that the check knows around them."""

    claimed: Any  # for input `index`, exactly as returned: any shape, any dtype, or None
    measured: np.ndarray  # by finite differences: float64, of the input's shape
    noise: float  # absolute noise of the measured entries
    place: int  # which input
    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    cotangents: tuple[np.ndarray, ...]  # one for each output, of its shape
    others: tuple[np.ndarray | None, ...]  # measured gradients of all inputs, None if not measured


class Explanation(NamedTuple):
    """One of ``KINDS``, and a sentence for a person."""

    kind: str
    words: str


@dataclass(frozen=True)
class Facts:
    """The evidence with the claimed gradient as a float64 array, and how near counts as equal."""

    evidence: Evidence
    claimed: np.ndarray
    dtype: np.dtype[Any]  # the claimed gradient's, as returned

    @property
    def measured(self) -> np.ndarray:
        return self.evidence.measured

    @property
    def input(self) -> np.ndarray:
        return self.evidence.inputs[self.evidence.place]

    @property
    def same_shape(self) -> bool:
        return self.claimed.shape == self.measured.shape

    @cached_property
    def difference(self) -> np.ndarray:
        """Claimed − measured; only where the shapes are the same."""
        return self.claimed - self.measured

    @cached_property
    def acceptance(self) -> float:
        """What a right gradient may differ by: 1e-6 of the largest entry, or 10 × the noise."""
        rounding = 1e-12 * largest(self.claimed)
        return max(1e-6 * largest(self.measured), 10 * self.evidence.noise, rounding)

    @property
    def agrees(self) -> bool:
        return self.same_shape and largest(self.difference) <= self.acceptance

    @cached_property
    def tolerance(self) -> float:
        """What an explanation may leave over at any element.

        An error barely above the acceptance would be "explained" by anything that makes it a
        little smaller, so an explanation has to leave less than a thousandth of the error.
        """
        if not self.same_shape or self.agrees:
            return self.acceptance
        return min(self.acceptance, 1e-3 * largest(self.difference))

    @cached_property
    def visible(self) -> np.ndarray:
        """Where there is a gradient to speak of: the measured or the claimed one is not zero."""
        sides = np.maximum(np.abs(self.measured), np.abs(self.claimed))
        return (sides > self.acceptance) | self.wrong

    @cached_property
    def wrong(self) -> np.ndarray:
        """Where the gradients differ; where they do so by little and the error is no larger, too.

        Otherwise noise of the size of the acceptance would divide the elements at random.
        """
        return np.abs(self.difference) > self.tolerance

    def near(self, found: np.ndarray, wanted: np.ndarray) -> bool:
        """Whether two arrays are of one shape and equal at every element."""
        return found.shape == wanted.shape and largest(found - wanted) <= self.tolerance


def largest(values: np.ndarray) -> float:
    """The largest magnitude, 0.0 of none."""
    return float(np.abs(values).max(initial=0.0))


def distinct(values: np.ndarray) -> int:
    """How many different values there are, zeros aside: what a fit has to get right."""
    scale = largest(values)
    if not scale:
        return 0
    rounded = np.unique(np.round(values / scale, 6))
    return int(np.count_nonzero(rounded))


def coefficient(values: np.ndarray, along: np.ndarray) -> float:
    """The c of least squares for values ≈ c · along; zero where ``along`` is zero."""
    scale = largest(along)
    if not scale:
        return 0.0
    unit = along / scale
    return float((values * unit).sum() / (unit * unit).sum()) / scale


def subsets(axes: Iterable[int]) -> Iterator[Axes]:
    """All selections of one axis or more, small ones first."""
    axes = tuple(axes)
    for count in range(1, len(axes) + 1):
        yield from combinations(axes, count)


def named_axes(axes: Iterable[int]) -> str:
    """Axes in words: "axis 0", or "axes (0, 2)"."""
    axes = tuple(axes)
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
