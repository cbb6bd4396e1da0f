"""How a gradient is wrong: the simplest explanation that fits the whole error, or "unknown".

``explain`` goes through ``TABLE`` from the simplest explanations to the least simple. An
explanation fits if, once it is undone, the claimed and the measured gradient are equal at every
element, to 1e-6 of the largest measured entry or ten times the noise, and to a thousandth of the
error. It is said only if it could have failed: a coefficient is fitted to several different
values, a rearrangement moves several different values, an element that is zero on both sides is
no evidence. Within a rank of the table the first that fits gives the kind, and the sentence
names the others that fit as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...backend import is_array, to_device
from .arranged import extra_sum, flipped, missing_sum, permuted, reshaped, shifted, swapped
from .elements import elements
from .evidence import Evidence, Explanation, Facts
from .plain import dtype, not_finite, nothing_to_explain, precision, shape, zero
from .scaled import absolute, factor, factor_along_axis, misplaced_factor, sign
from .terms import centred_term, projected_term, term

TABLE: tuple[tuple[Callable[[Facts], Explanation | None], ...], ...] = (
    # No gradient at all, or nothing wrong with its values.
    (not_finite,),
    (zero,),
    (dtype,),
    (nothing_to_explain,),
    # One step from the right gradient to the claimed one.
    (sign, absolute, missing_sum, swapped, permuted, flipped, shifted, reshaped, factor, extra_sum),
    # Something else that is at hand comes in, with a coefficient.
    (misplaced_factor,),
    (term,),
    (projected_term,),
    # A part of the elements, or several numbers.
    (elements,),
    (centred_term,),
    (factor_along_axis,),
    (precision,),
    # The shape is wrong, and nothing above says how.
    (shape,),
)
"""The explanations in the order in which they are tried, a line for each degree of simplicity."""

KINDS = {
    "agrees": "the claimed gradient is right",
    "not_finite": "the claimed gradient has entries that are infinite or not a number",
    "zero": "the claimed gradient is None or zero everywhere, the measured one is not",
    "dtype": "right in value, but of another dtype or precision than the input",
    "sign": "minus the right gradient",
    "absolute": "the absolute value of the right gradient",
    "swapped": "the gradient of another input",
    "transposed": "two axes swapped, or all in reverse order",
    "permuted_axes": "the axes in another order",
    "flipped": "reversed along one axis or more",
    "shifted": "moved along one axis, cyclically or with zeros coming in",
    "missing_sum": "not yet summed (or averaged) over an axis that was broadcast",
    "extra_sum": "summed (or averaged) over an axis too many",
    "reshaped": "the right values in their order under another shape, such as a unit axis kept",
    "factor": "a constant multiple of the right gradient",
    "missing_factor": "not multiplied by an input, output or cotangent",
    "extra_factor": "multiplied by an input, output or cotangent too many",
    "missing_term": "a term is missing",
    "extra_term": "a term too many",
    "elements": "wrong at some elements, right at the others",
    "factor_along_axis": "multiplied by a factor that depends on the index along one axis",
    "shape": "of a wrong shape, and nothing else is known",
    "unknown": "nothing in the catalogue fits",
}
"""Every kind of explanation that ``explain`` gives, and what it means."""


def explain(evidence: Evidence) -> Explanation:
    """The simplest explanation that fits the whole error of a claimed gradient.

    Its ``kind`` is one of ``KINDS``; ``"unknown"`` where nothing fits.
    """
    claimed = evidence.claimed
    if not (np.isfinite(evidence.measured).all() and np.isfinite(evidence.noise)):
        return Explanation("unknown", "the measured gradient is not finite: nothing can be told")
    if claimed is None:
        size = np.abs(evidence.measured).max(initial=0)
        words = f"no gradient was given (None); the measured one has entries up to {size:.6g}"
        return Explanation("zero", words)
    array = _numbers(claimed)
    if array is None:
        words = f"the claimed gradient is not an array of real numbers but {_described(claimed)}"
        return Explanation("dtype", words)
    facts = Facts(evidence, array.astype(np.float64), _dtype(claimed))
    with np.errstate(all="ignore"):  # products of what is at hand may overflow: they don't fit then
        for rank in TABLE:
            fits = [found for each in rank if (found := each(facts)) is not None]
            if fits:
                return _with_dtype(facts, _together(fits))
    return _with_dtype(facts, _unknown(facts))


def _dtype(claimed: Any) -> np.dtype[Any]:
    return np.dtype(claimed.dtype) if is_array(claimed) else np.asarray(claimed).dtype


def _numbers(claimed: Any) -> np.ndarray | None:
    """The claimed gradient in host memory, a complex one that is real as its real part."""
    try:
        array = np.asarray(to_device(claimed, "cpu") if is_array(claimed) else claimed)
    except (TypeError, ValueError, RuntimeError):  # ragged lists, tensors of other libraries
        return None
    if array.dtype.kind == "c" and not np.any(array.imag):
        array = array.real
    return array if array.dtype.kind in "biuf" else None


def _described(claimed: Any) -> str:
    known = f" of dtype {claimed.dtype}" if hasattr(claimed, "dtype") else ""
    return f"a {type(claimed).__name__}{known}"


def _together(fits: list[Explanation]) -> Explanation:
    first, *rest = fits
    also = "".join(f"; it fits as well that {other.words}" for other in rest)
    return Explanation(first.kind, first.words + also)


def _with_dtype(facts: Facts, found: Explanation) -> Explanation:
    wanted = facts.input.dtype
    if found.kind == "dtype" or facts.dtype == wanted:
        return found
    return found._replace(words=f"{found.words}; its dtype is {facts.dtype}, the input's {wanted}")


def _unknown(facts: Facts) -> Explanation:
    if np.any(np.abs(facts.measured) > facts.acceptance):
        words = "no explanation in the catalogue fits the whole error"
    else:
        size = np.abs(facts.claimed).max(initial=0)
        words = f"the claimed gradient has entries up to {size:.6g} where the right one is zero"
    return Explanation("unknown", words)


__all__ = ["KINDS", "TABLE", "Evidence", "Explanation", "explain"]
