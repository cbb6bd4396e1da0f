"""Checks of arguments: what one should be is said once, to the check and in its error."""

from __future__ import annotations

import operator
from collections.abc import Collection
from functools import lru_cache
from numbers import Real
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
_ARRAYS = ("__array_interface__", "__cuda_array_interface__")  # what NumPy's and CuPy's have
_IN_WORDS = {
    "(-inf, inf)": "a finite number",
    "[0, inf)": "a number, 0 or more",
    "(0, inf)": "a positive number",
}


def whole(
    name: str, value: Any, least: int | None = 1, most: int | None = None, instead: str = ""
) -> int:
    """``value`` as an int; raises unless it is a whole number from ``least`` to ``most``.

    None stands for no bound. ``instead`` goes on with what else is taken.
    """
    try:
        found, is_whole = operator.index(value), not isinstance(value, (bool, np.bool_))
    except TypeError:
        found, is_whole = 0, False
    if is_whole and (least is None or found >= least) and (most is None or found <= most):
        return found
    bounds = "" if least is None else f" of at least {least}"
    bounds = bounds if most is None else f" from {least} to {most}"
    kind = ValueError if is_whole else TypeError
    raise kind(f"{name}: got {value!r}, wanted a whole number{bounds}{instead}")


def number(name: str, value: Any, interval: str = "(-inf, inf)") -> Any:
    """``value``, as Python's number; raises unless it is real, in ``interval``: "[0, 1)"."""
    found = value if type(value) is float else _plain(value)  # quick, as losses are checked too
    if found is None or not _holds(interval, found):
        kind = TypeError if found is None else ValueError
        wanted = _IN_WORDS.get(interval, f"a number in {interval}")
        raise kind(f"{name}: got {value!r}, wanted {wanted}")
    return found


def one_of(name: str, value: Any, options: Collection[str], instead: str = "") -> str:
    """``value`` itself; raises unless it is one of the ``options``; ``instead`` as in ``whole``."""
    if not isinstance(value, str) or value not in options:
        *most, last = (f'"{option}"' for option in options)
        raise ValueError(f"{name}: got {value!r}, wanted {', '.join(most)} or {last}{instead}")
    return value


def instance(name: str, value: T, kind: type | tuple[type, ...], wanted: str) -> T:
    """``value`` itself; raises unless it is an instance of ``kind``, which is ``wanted``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: got {value!r}, wanted {wanted}")
    return value


def float_dtype(name: str, value: Any, instead: str = "") -> str:
    """The name of the dtype that ``value`` says; raises unless tensors can be of it."""
    try:
        found = "" if value is None else np.dtype(value).name  # of None NumPy makes float64
    except TypeError:
        found = ""
    if found not in ("float16", "float32", "float64"):
        wanted = f'wanted "float16", "float32" or "float64"{instead}'
        raise ValueError(f"{name}: got {value!r}, {wanted}")
    return found


def _plain(value: Any) -> float | None:
    """A real number as Python's, also one in an array of no axes; of anything else None."""
    if any(hasattr(type(value), mark) for mark in _ARRAYS) and not value.ndim:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        found = float(value)
    except OverflowError:  # of an int that no float can hold
        return float("inf")
    return value if isinstance(value, int) else found


def _holds(interval: str, value: float) -> bool:
    low, high, with_low, with_high = _ends(interval)
    above = value >= low if with_low else value > low
    return above and (value <= high if with_high else value < high)


@lru_cache
def _ends(interval: str) -> tuple[float, float, bool, bool]:
    """Where it begins and ends, and whether it has these numbers themselves."""
    low, high = map(float, interval[1:-1].split(","))
    return low, high, interval[0] == "[", interval[-1] == "]"
