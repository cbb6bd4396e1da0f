"""Compare gradients with finite differences, and refuse to compare noise with noise.

For f of several inputs and a random cotangent v, the scalar φ(x) = ⟨v, f(x)⟩ has the gradient
that ``grad(f(x), x, v)`` claims. Each element of it is measured with central differences at
three steps h, h/2, h/4, extrapolated (Richardson) so that the h² and h⁴ terms cancel. Two
extrapolations from neighbouring steps differ by what the method still gets wrong: that is its
measured noise, and a check whose noise is not far below the tolerance decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import grad
from ..tensor import Tensor

TOLERANCE = 1e-6
"""The largest difference allowed, as a fraction of the largest numeric entry."""


class GradientMismatch(AssertionError):
    """A gradient differs from what finite differences measure."""


class InconclusiveCheck(Exception):
    """The measurement can't decide: too noisy, or there is nothing to compare."""


def check_gradients(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    order: int = 1,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    step: float = 2e-3,
) -> None:
    """Check the gradients of ``function`` of float64 arrays, up to ``order`` 1 or 2.

    ``function`` takes tensors and returns a tensor or a sequence of them. Every input's gradient
    under a random cotangent is compared, element by element, with finite differences: the
    largest difference may be ``tolerance`` of the largest numeric entry, and the difference's own
    noise a tenth of that. At order 2 the map (inputs, cotangents) ↦ gradients is checked
    in the same way, which perturbs the inputs and the cotangents.

    Raises ``GradientMismatch`` where they differ and ``InconclusiveCheck`` where the measurement
    is too noisy (a difference that its noise could explain is not a mismatch), or where both
    sides are nothing but noise. A gradient that is exactly zero
    everywhere passes if the measured one is zero but for rounding.
    """
    if order not in (1, 2):
        raise ValueError(f"order: got {order}, wanted 1 or 2")
    rng = np.random.default_rng(seed)
    arrays = [np.array(x.numpy() if isinstance(x, Tensor) else x, dtype=np.float64) for x in inputs]
    cotangents = _cotangents(function, arrays, rng)
    _check_first(function, arrays, cotangents, tolerance, step, "gradient")
    if order == 2:
        count = len(arrays)

        def gradients(*both: Tensor) -> list[Tensor]:
            xs, vs = both[:count], both[count:]
            outputs = _listed(function(*xs))
            found = grad(outputs, xs, vs, create_graph=True, allow_unused=True)
            return [g for g in found if g is not None]

        extended = [*arrays, *cotangents]
        seconds = _cotangents(gradients, extended, rng)
        _check_first(gradients, extended, seconds, tolerance, step, "second-order gradient")


def _listed(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def _tracked(arrays: Sequence[np.ndarray]) -> list[Tensor]:
    return [Tensor(a, requires_grad=True) for a in arrays]


def _cotangents(function: Any, arrays: Sequence[np.ndarray], rng: Any) -> list[np.ndarray]:
    shapes = [y.shape for y in _listed(function(*_tracked(arrays)))]
    return [np.asarray(rng.choice([-1, 1], s) * rng.uniform(0.5, 1.5, s)) for s in shapes]


def _check_first(
    function: Any,
    arrays: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
    tolerance: float,
    step: float,
    what: str,
) -> None:
    xs = _tracked(arrays)
    outputs = _listed(function(*xs))
    found = grad(outputs, xs, cotangents, allow_unused=True)
    size = sum(float(np.abs(v * y.numpy()).sum()) for v, y in zip(cotangents, outputs, strict=True))
    for i, (x, g) in enumerate(zip(arrays, found, strict=True)):
        claimed = np.zeros_like(x) if g is None else g.numpy()
        if claimed.shape != x.shape:
            raise GradientMismatch(f"{what} of input {i}: shape {claimed.shape}, wanted {x.shape}")
        if x.size:
            measured, noise = _measure(function, arrays, cotangents, i, step)
            # Rounding of φ, divided by the smallest step, is the least that can be told apart.
            rounding = 64 * np.finfo(float).eps * max(size, 1e-300) / step
            _compare(f"{what} of input {i}", claimed, measured, noise, rounding, tolerance)


def _compare(
    what: str,
    claimed: np.ndarray,
    measured: np.ndarray,
    noise: float,
    rounding: float,
    tolerance: float,
) -> None:
    if not np.isfinite(measured).all():
        raise InconclusiveCheck(f"{what}: a measured value is not finite")
    if not np.isfinite(claimed).all():
        raise GradientMismatch(f"{what}: a claimed value is not finite, all measured ones are")
    scale, noise = float(np.abs(measured).max()), max(noise, rounding)
    if not claimed.any() and max(scale, noise) <= 10 * rounding:
        return
    difference = np.abs(claimed - measured)
    if difference.max() > max(tolerance * scale, 10 * noise):
        worst = np.unravel_index(int(difference.argmax()), difference.shape)
        raise GradientMismatch(
            f"{what}: at index {tuple(int(k) for k in worst)} claimed {claimed[worst]:.12g}, "
            f"measured {measured[worst]:.12g} (largest entry {scale:.6g}, noise {noise:.2g})"
        )
    if scale <= 10 * noise:
        raise InconclusiveCheck(
            f"{what}: claimed and measured values are nothing but noise (up to {scale:.3g}); "
            "choose an output that depends on this input"
        )
    if noise > tolerance / 10 * scale:
        raise InconclusiveCheck(
            f"{what}: the finite difference's own noise {noise:.2g} is above a tenth of the "
            f"tolerance for entries up to {scale:.3g}: a kink nearby, or a badly scaled input"
        )


def _measure(
    function: Any, arrays: Sequence[np.ndarray], cotangents: Sequence[np.ndarray], i: int, h: float
) -> tuple[np.ndarray, float]:
    """The gradient with respect to input ``i`` by extrapolated differences, and its noise."""
    measured = np.zeros_like(arrays[i])
    noise = 0.0
    for index in np.ndindex(arrays[i].shape):
        scale = h * max(1.0, abs(float(arrays[i][index])))
        d = [_central(function, arrays, cotangents, i, index, scale / 2**k) for k in range(4)]
        once = [(4 * b - a) / 3 for a, b in zip(d, d[1:], strict=False)]
        twice = [(16 * b - a) / 15 for a, b in zip(once, once[1:], strict=False)]
        measured[index] = (twice[0] + twice[1]) / 2
        noise = max(noise, abs(twice[1] - twice[0]))
    return measured, noise


def _central(
    function: Any,
    arrays: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
    i: int,
    index: tuple[int, ...],
    h: float,
) -> float:
    """Σ v·(f(x + h) − f(x − h))/2h, the difference taken before the sum to save digits."""
    sides = []
    for sign in (1, -1):
        moved = list(arrays)
        moved[i] = arrays[i].copy()
        moved[i][index] += sign * h
        sides.append(_values(function, moved))
    up, down = sides
    total = sum(float((v * (a - b)).sum()) for v, a, b in zip(cotangents, up, down, strict=True))
    return total / (2 * h)


def _values(function: Any, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    # Tracked inputs: the function may itself take gradients, as it does at order 2.
    return [y.detach().numpy() for y in _listed(function(*_tracked(arrays)))]


__all__ = ["GradientMismatch", "InconclusiveCheck", "check_gradients"]
