"""Right but for a factor: a sign, a constant, an array, or one number for each index."""

from __future__ import annotations

import numpy as np

from .evidence import Explanation, Facts, coefficient, distinct, largest
from .quantities import Quantity, cotangents, inputs, natural, outputs, spread


def sign(facts: Facts) -> Explanation | None:
    """Claimed = −right."""
    if not facts.near(-facts.claimed, facts.measured):
        return None
    return Explanation("sign", "the claimed gradient is minus the right one")


def absolute(facts: Facts) -> Explanation | None:
    """Claimed = |right|: every negative entry has the wrong sign."""
    # With one negative entry the same evidence reads: one element is wrong.
    if np.count_nonzero(facts.measured < -facts.acceptance) < 2:
        return None
    if not facts.near(facts.claimed, np.abs(facts.measured)) or sign(facts) is not None:
        return None
    return Explanation("absolute", "the claimed gradient is the absolute value of the right one")


def factor(facts: Facts) -> Explanation | None:
    """Claimed = c · right. One element always fits: there only the ratio is said."""
    c = _ratio(facts.claimed, facts.measured, facts)
    if c is None or sign(facts) is not None:
        return None
    words = f"the claimed gradient is {c:.8g} times the right one"
    count = int(np.count_nonzero(np.abs(facts.measured) > facts.acceptance))
    if count == 1:
        return Explanation("factor", f"{words}: one number, too little to tell why")
    what = natural(c, facts)
    return Explanation("factor", f"{words}, everywhere" + (f": {what}" if what else ""))


def _ratio(claimed: np.ndarray, right: np.ndarray, facts: Facts) -> float | None:
    """c of claimed = c · right at every element, or None."""
    if claimed.shape != right.shape or largest(right) <= facts.acceptance:
        return None
    c = coefficient(claimed, right)
    return c if c and facts.near(claimed / c, right) else None


def misplaced_factor(facts: Facts) -> Explanation | None:
    """A whole array is missing from the product that the gradient is, or stands there twice."""
    if not facts.same_shape:
        return None
    known = [*cotangents(facts), *inputs(facts), *outputs(facts)]
    quantities = spread(known, facts.measured.shape)
    found = [each for quantity in quantities for each in _misplaced(quantity, facts)]
    # Of several, the first whose coefficient is a natural one.
    return max(found, key=lambda each: each[1])[0] if found else None


def _misplaced(quantity: Quantity, facts: Facts) -> list[tuple[Explanation, bool]]:
    name, values = quantity
    size = largest(values) or 1.0
    found = []
    c = _ratio(facts.claimed * values, facts.measured, facts)
    if c is not None and _earned(values, c, facts):
        words = f"the right gradient is {_many(1 / c)}the claimed one times {name}"
        found.append((Explanation("missing_factor", words), natural(c, facts) is not None))
    # In units of the largest entry, so that the noise of the measured gradient isn't enlarged.
    c = _ratio(facts.claimed, facts.measured * (values / size), facts)
    if c is not None and _earned(values, c / size, facts):
        words = f"the claimed gradient is {_many(c / size)}the right one times {name}"
        found.append((Explanation("extra_factor", words), natural(c / size, facts) is not None))
    return found


def _many(c: float) -> str:
    shown = f"{c:.7g}"
    return {"1": "", "-1": "minus "}.get(shown, f"{shown} times ")


def _earned(values: np.ndarray, c: float, facts: Facts) -> bool:
    """Whether the array differs enough, where the gradient isn't zero, for its fit to mean much."""
    shown = values[np.abs(facts.measured) > facts.acceptance]
    needed = 3 if natural(c, facts) is None else 2
    return shown.size >= 4 and distinct(shown) >= needed


def factor_along_axis(facts: Facts) -> Explanation | None:
    """Claimed = c(k) · right, k the index along one axis; three values or more for each c."""
    if not facts.same_shape:
        return None
    for axis, length in enumerate(facts.measured.shape):
        rest = tuple(k for k in range(facts.measured.ndim) if k != axis)
        slices = np.moveaxis(facts.measured, axis, 0)
        if length < 2 or min(distinct(each) for each in slices) < 3:
            continue
        squares = (facts.measured**2).sum(rest, keepdims=True)
        c = (facts.claimed * facts.measured).sum(rest, keepdims=True) / squares
        if facts.near(facts.claimed, c * facts.measured):
            numbers = ", ".join(f"{each:.6g}" for each in c.ravel()[:6])
            more = ", …" if length > 6 else ""
            words = "the claimed gradient is the right one times a factor that depends on the index"
            return Explanation("factor_along_axis", f"{words} along axis {axis}: {numbers}{more}")
    return None
