"""Claimed gradients against measured ones: the verdict, and the words that go with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .diagnosis import Evidence, Explanation, explain
from .differences import Measured
from .errors import GradientMismatch, InconclusiveCheck, KinkFound, StateError, VacuousCheck

TOLERANCE = 1e-6
"""The largest difference allowed, as a fraction of the largest numeric entry."""


class Comparison(NamedTuple):
    """One claimed gradient and what was measured in its place, of one shape."""

    what: str  # such as "gradient of input 0"
    claimed: Any
    measured: Measured
    wider: float  # the scale to judge by where the gradient's own entries drown in noise
    evidence: Evidence | None  # None where only a part was measured
    full_digits: bool = False  # its cotangent has random digits, so it must have them too
    again: Callable[[], Sequence[Measured]] | None = None  # measured at other steps
    places: Sequence[str] = ()  # where its elements are, if not at their own indices


def verdict(found: Comparison, tolerance: float) -> None:
    """Return where the gradient is right to ``tolerance``, raise what it is otherwise.

    A measurement too noisy to tell a right gradient from one that is wrong by a few tolerances
    raises ``InconclusiveCheck``, and so do noise on both sides and kinks; a difference that the
    noise can't explain raises ``GradientMismatch``.
    """
    what, (value, noises, jump) = found.what, found.measured
    if not np.isfinite(value).all() or not np.isfinite(noises).all():
        raise InconclusiveCheck(
            f"{what}: a measured value is not finite; the function leaves its domain near here"
        )
    noise, scale = float(noises.max(initial=0)), scale_of(found.measured, found.wider, tolerance)
    claimed = _in_form(found)
    if not np.isfinite(claimed).all():
        raise _mismatch(found, "a claimed value is not finite, all measured ones are", claimed)
    if (jump > np.maximum(10 * tolerance * scale, 10 * noises)).any():
        where = _place(jump)
        raise KinkFound(
            f"{what}: {_told(found, where)} the slopes on the two sides differ by "
            f"{jump[where]:.6g}: a kink, a tie or a jump, where no derivative exists; move the "
            "input away from it"
        )
    if not claimed.any() and not value.any():
        return
    difference = np.abs(claimed - value)
    # Of a measurement without three digits nothing is "wrong", unless it is zero beside the claim.
    decides = noise <= max(1e-3 * scale, 1e-8 * float(np.abs(claimed).max()))
    if decides and not difference.max() <= max(tolerance * scale, 10 * noise):
        if _agrees_elsewhere(found, claimed, tolerance):
            raise InconclusiveCheck(
                f"{what}: differences with other steps say other things, and one of them agrees "
                "with the claim: the function changes faster than the steps; scale its inputs"
            )
        raise _mismatch(found, "", claimed)
    if not scale > 10 * noise:
        raise VacuousCheck(
            f"{what}: its entries (up to {scale:.3g}) do not stand out of the measurement's noise "
            f"({noise:.2g}): claimed and measured values are nothing but noise, and any gradient "
            "would pass; choose an output that depends on this input"
        )
    if not noise <= tolerance / 10 * scale:
        raise InconclusiveCheck(
            f"{what}: the finite difference's own noise {noise:.2g} is above a tenth of the "
            f"tolerance for entries up to {scale:.3g}: the function is computed in low precision, "
            "has a kink nearby, or is badly scaled"
        )
    _check_digits(found, claimed)


def scale_of(measured: Measured, wider: float, tolerance: float) -> float:
    """The largest entry, or ``wider`` where the entries drown in noise or are rounding beside it.

    Elements of one output that are computed together share their rounding, so that what should be
    zero may be 1e-17 of the others, and even in proportion to an input.
    """
    own, noise = (float(np.abs(part).max(initial=0)) for part in measured[:2])
    return own if noise <= tolerance / 10 * own and own > 1e-12 * wider else max(own, wider)


def check_shape(what: str, claimed: Any, x: np.ndarray) -> None:
    """Raise ``GradientMismatch`` where a gradient is not of its input's shape."""
    if np.shape(claimed) != x.shape:
        message = f"{what}: has shape {np.shape(claimed)}, wanted the input's, {x.shape}"
        raise GradientMismatch(message, "shape")


def _in_form(found: Comparison) -> np.ndarray:
    """The claimed gradient, once its shape and dtype are seen to be the input's."""
    if found.claimed is None:
        return np.zeros_like(found.measured.value)
    claimed, wanted = np.asarray(found.claimed), found.measured.value.shape
    if claimed.shape != wanted:
        why = _explained(found)
        raise GradientMismatch(
            f"{found.what}: has shape {claimed.shape}, wanted {wanted}. {why.words}", why.kind
        )
    if claimed.dtype != np.float64:
        why = _explained(found)
        error = StateError if why.kind == "dtype" else GradientMismatch
        raise error(
            f"{found.what}: has dtype {claimed.dtype}, wanted the input's, float64. {why.words}",
            why.kind,
        )
    return claimed


def _agrees_elsewhere(found: Comparison, claimed: np.ndarray, tolerance: float) -> bool:
    for value, noise, _ in found.again() if found.again else ():
        near = max(tolerance * float(np.abs(value).max()), 10 * float(noise.max()))
        if float(np.abs(claimed - value).max()) <= near and float(np.abs(value).max()) > near:
            return True
    return False


def _check_digits(found: Comparison, claimed: np.ndarray) -> None:
    """A product of random digits fills the mantissa; one that fits single precision was cut.

    What is zero but for rounding may be any power of two, and is left out.
    """
    counts = np.abs(claimed) > 1e-9 * np.abs(claimed).max(initial=0)
    cut = counts & (claimed.astype(np.float32) == claimed)
    if found.full_digits and cut.any():
        raise StateError(
            f"{found.what}: {int(cut.sum())} of {claimed.size} elements are right in value, but "
            "have the digits of float32 only: something is computed in lower precision",
            "dtype",
        )


def _mismatch(found: Comparison, fact: str, claimed: np.ndarray) -> GradientMismatch:
    why, (value, noise, _) = _explained(found), found.measured
    with np.errstate(invalid="ignore"):
        difference = np.abs(claimed - value)
    where = _place(np.where(np.isfinite(difference), difference, np.inf))
    return GradientMismatch(
        f"{found.what}: {fact + ': ' if fact else ''}{_told(found, where)} claimed "
        f"{claimed[where]:.12g}, measured {value[where]:.12g} (largest entry "
        f"{float(np.abs(value).max()):.6g}, noise {float(noise.max()):.2g}). {why.words}",
        why.kind,
    )


def _explained(found: Comparison) -> Explanation:
    if found.evidence is None:
        return Explanation("unknown", "Only some of its elements were measured.")
    why = explain(found.evidence)
    if why.kind == "agrees":  # to the digits that explanations are judged by
        return Explanation("unknown", "It is right to at least six digits, wrong in a later one.")
    return Explanation(why.kind, f"{why.words[:1].upper()}{why.words[1:].rstrip('.')}.")


def _told(found: Comparison, where: tuple[int, ...]) -> str:
    """The place of an element in words."""
    return found.places[where[0]] if found.places else f"at index {where}"


def _place(array: np.ndarray) -> tuple[int, ...]:
    """The index of the largest element."""
    return tuple(int(k) for k in np.unravel_index(int(array.argmax()), array.shape))
