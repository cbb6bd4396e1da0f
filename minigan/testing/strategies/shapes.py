"""Shapes, axes of them, and orders of their axes."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Shape = tuple[int, ...]


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> SearchStrategy[Shape]:
    """A shape of ``min_dims`` to ``max_dims`` axes, each of ``min_side`` to ``max_side``."""
    check_range("dims", min_dims, max_dims)
    check_range("side", min_side, max_side)
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


def broadcastable(
    count: int = 2, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> SearchStrategy[list[Shape]]:
    """``count`` shapes that broadcast together: leading axes missing, other axes of length 1."""
    check_least("count", count, 1)
    return _broadcastable(count, shapes(0, max_dims, min_side, max_side))


@st.composite
def _broadcastable(draw: st.DrawFn, count: int, full: SearchStrategy[Shape]) -> list[Shape]:
    whole = draw(full)
    found = []
    for _ in range(count):
        tail = whole[draw(st.integers(0, len(whole))) :]
        found.append(tuple(1 if draw(st.booleans()) else n for n in tail))
    return found


def axes(ndim: int) -> SearchStrategy[None | int | Shape]:
    """None, a number or a tuple (possibly empty) of ``ndim`` axes, counted from either end."""
    check_least("ndim", ndim, 0)
    if not ndim:
        return st.none()
    one = st.integers(-ndim, ndim - 1)
    some = st.lists(one, unique_by=lambda a: a % ndim).map(tuple)
    return st.one_of(st.none(), one, some)


def permutations(ndim: int) -> SearchStrategy[None | Shape]:
    """An order of ``ndim`` axes for ``transpose``, counted from either end, or None."""
    check_least("ndim", ndim, 0)
    return st.none() | _permutations(ndim)


@st.composite
def _permutations(draw: st.DrawFn, ndim: int) -> Shape:
    order = draw(st.permutations(range(ndim)))
    return tuple(a - ndim if draw(st.booleans()) else a for a in order)


def check_least(name: str, value: int, least: int) -> None:
    """Raise unless ``value`` is at least ``least``."""
    if value < least:
        raise ValueError(f"{name}: got {value}, wanted at least {least}")


def check_range(name: str, low: int, high: int, least: int = 0) -> None:
    """Raise unless ``least`` ≤ ``low`` ≤ ``high``, the arguments min_``name`` and max_``name``."""
    check_least(f"min_{name}", low, least)
    if low > high:
        raise ValueError(f"min_{name}: got {low}, which is above max_{name}, {high}")
