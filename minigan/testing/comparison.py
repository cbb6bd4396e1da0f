"""Claimed gradients against measured ones: the verdict, and the words that go with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .diagnosis import Evidence, Explanation, explain
from .errors import GradientMismatch, InconclusiveCheck, KinkFound, StateError, VacuousCheck

TOLERANCE = 1e-6
"""The largest difference allowed, as a fraction of the largest numeric entry."""


class Comparison(NamedTuple):
    """One claimed gradient and what was measured in its place, of one shape."""

    what: str  # such as "gradient of input 0"
    claimed: Any
    measured: np.ndarray
    noise: np.ndarray
    jump: np.ndarray
    scale: float  # what the tolerance is a fraction of: the largest numeric entry
    evidence: Evidence | None  # None where only a part was measured


def verdict(found: Comparison, tolerance: float) -> None:
    """Return where the gradient is right to ``tolerance``, raise what it is otherwise.

    A measurement too noisy to tell a right gradient from one that is wrong by a few tolerances
    raises ``InconclusiveCheck``, and so do noise on both sides and kinks; a difference that the
    noise can't explain raises ``GradientMismatch``.
    """
    what, measured = found.what, found.measured
    if not np.isfinite(measured).all():
        raise InconclusiveCheck(
            f"{what}: a measured value is not finite; the function leaves its domain near here"
        )
    noise, scale = float(found.noise.max(initial=0)), found.scale
    claimed = _checked_form(found, tolerance)
    if not np.isfinite(claimed).all():
        _mismatch(found, "a claimed value is not finite, all measured ones are", claimed)
    bend = found.jump > 1e-4 * scale
    if bend.any():
        where = _place(found.jump)
        raise KinkFound(
            f"{what}: at index {where} the slopes on the two sides differ by "
            f"{found.jump[where]:.6g}: a kink, a tie or a jump, where no derivative exists; "
            "move the input away from it"
        )
    if not claimed.any() and not measured.any():
        return
    difference = np.abs(claimed - measured)
    if difference.max() > max(tolerance * scale, 10 * noise):
        _mismatch(found, "", claimed)
    if scale <= 10 * noise:
        raise VacuousCheck(
            f"{what}: claimed and measured values are nothing but noise (up to {scale:.3g}), so "
            "any gradient would pass; choose an output that depends on this input"
        )
    if noise > tolerance / 10 * scale:
        raise InconclusiveCheck(
            f"{what}: the finite difference's own noise {noise:.2g} is above a tenth of the "
            f"tolerance for entries up to {scale:.3g}: the function is computed in low precision, "
            "has a kink nearby, or is badly scaled"
        )


def _checked_form(found: Comparison, tolerance: float) -> np.ndarray:
    """The claimed gradient, once its shape and dtype are seen to be the input's."""
    if found.claimed is None:
        return np.zeros_like(found.measured)
    claimed = np.asarray(found.claimed)
    if claimed.shape != found.measured.shape:
        why = _explained(found)
        raise GradientMismatch(
            f"{found.what}: has shape {claimed.shape}, wanted {found.measured.shape}. {why.words}",
            why.kind,
        )
    if claimed.dtype != np.float64:
        why = _explained(found)
        error = StateError if why.kind == "dtype" else GradientMismatch
        raise error(
            f"{found.what}: has dtype {claimed.dtype}, wanted the input's, float64. {why.words}",
            why.kind,
        )
    return claimed


def check_shape(what: str, claimed: Any, x: np.ndarray) -> None:
    """Raise ``GradientMismatch`` where a gradient is not of its input's shape."""
    if np.shape(claimed) != x.shape:
        message = f"{what}: has shape {np.shape(claimed)}, wanted the input's, {x.shape}"
        raise GradientMismatch(message, "shape")


def _mismatch(found: Comparison, fact: str, claimed: np.ndarray) -> None:
    why = _explained(found)
    with np.errstate(invalid="ignore"):
        difference = np.abs(claimed - found.measured)
    where = _place(np.where(np.isfinite(difference), difference, np.inf))
    raise GradientMismatch(
        f"{found.what}: {fact + ': ' if fact else ''}at index {where} claimed "
        f"{claimed[where]:.12g}, measured {found.measured[where]:.12g} "
        f"(largest entry {found.scale:.6g}, noise {float(found.noise.max()):.2g}). {why.words}",
        why.kind,
    )


def _explained(found: Comparison) -> Explanation:
    if found.evidence is None:
        return Explanation("unknown", "Only some of its elements were measured.")
    why = explain(found.evidence)
    if why.kind == "agrees":  # to the digits that explanations are judged by
        return Explanation("unknown", "It is right to at least six digits, wrong in a later one.")
    return Explanation(why.kind, f"{why.words[:1].upper()}{why.words[1:].rstrip('.')}.")


def _place(array: np.ndarray) -> tuple[int, ...]:
    """The index of the largest element."""
    return tuple(int(k) for k in np.unravel_index(int(array.argmax()), array.shape))
