"""Errors that leap to the eye: not finite, zero, a wrong dtype, a wrong shape."""

from __future__ import annotations

import numpy as np

from .evidence import Explanation, Facts, largest


def not_finite(facts: Facts) -> Explanation | None:
    """Entries are NaN or infinite."""
    bad = ~np.isfinite(facts.claimed)
    if not bad.any():
        return None
    where = tuple(int(k) for k in np.argwhere(bad)[0])
    words = (
        f"{int(bad.sum())} of {bad.size} claimed entries are infinite or not a number, "
        f"the first at {where}"
    )
    if facts.same_shape and not bad.all():
        rest = np.abs(facts.claimed[~bad] - facts.measured[~bad])
        tolerance = max(1e-6 * largest(facts.measured), 10 * facts.evidence.noise)
        words += "; the others are " + ("right" if rest.max() <= tolerance else "not right either")
    return Explanation("not_finite", words)


def zero(facts: Facts) -> Explanation | None:
    """All zero where the right gradient is not."""
    if facts.claimed.any() or not facts.claimed.size or not facts.same_shape or facts.agrees:
        return None
    size = largest(facts.measured)
    words = (
        f"the claimed gradient is zero everywhere; the measured one has entries up to {size:.6g}"
    )
    return Explanation("zero", words)


def dtype(facts: Facts) -> Explanation | None:
    """Right in value, and not of the input's dtype."""
    if not facts.agrees or facts.dtype == facts.input.dtype:
        return None
    words = (
        f"the claimed gradient is right in value, but its dtype is {facts.dtype} "
        f"and the input's is {facts.input.dtype}"
    )
    return Explanation("dtype", words)


def nothing_to_explain(facts: Facts) -> Explanation | None:
    """No error."""
    if not facts.agrees:
        return None
    return Explanation("agrees", "the claimed gradient agrees with the measured one")


def precision(facts: Facts) -> Explanation | None:
    """Every entry is a float16 (or float32) number, and what it is wrong by is its rounding."""
    if not facts.same_shape or np.count_nonzero(facts.visible) < 4:
        return None
    for name in ("float32", "float16"):
        with np.errstate(over="ignore"):
            rounded = facts.claimed.astype(name).astype(np.float64)
        allowed = 2 * float(np.finfo(name).eps) * np.abs(facts.measured) + facts.tolerance
        if np.array_equal(rounded, facts.claimed) and (np.abs(facts.difference) <= allowed).all():
            words = f"the claimed gradient is right but for the rounding of {name} arithmetic"
            return Explanation("dtype", words)
    return None


def shape(facts: Facts) -> Explanation | None:
    """Not of the input's shape: what is left where no rearrangement or sum explains it."""
    if facts.same_shape:
        return None
    words = (
        f"the claimed gradient has the shape {facts.claimed.shape}, "
        f"the input has {facts.measured.shape}"
    )
    return Explanation("shape", words)
