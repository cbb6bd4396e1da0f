"""The rungs of the ladder one by one, for whoever wants a single question answered.

``function`` and ``inputs`` are those of ``check_gradients``, or with ``vjp=`` those of
``check_vjp``. Each returns None, or the numbers that it looked at, and raises what those raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .comparison import TOLERANCE, Comparison, verdict
from .diagnosis import Evidence
from .differences import Measured, derivatives, noise_floor
from .errors import GradientMismatch, InconclusiveCheck, VacuousCheck, WrongTypeError
from .first_order import check_first
from .gradients import check_compared, check_order, check_settings
from .probes import along, flat, one_hot_probes, random_direction, random_like, random_probe
from .second_order import check_second, check_symmetric, claims
from .state import check_array_state, check_tensor_state
from .subjects import (
    ArrayFunction,
    Subject,
    TensorFunction,
    check_contract,
    judging,
    tensor_subject,
)

Function = Callable[..., Any]


@judging()
def check_projections(
    function: Function,
    inputs: Sequence[Any],
    count: int = 8,
    vjp: Function | None = None,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> None:
    """Compare the gradients of ``count`` random combinations of the outputs."""
    check_settings(tolerance, count=count)
    subject, outputs, rng = _begin(function, inputs, vjp, seed)
    probes = [random_probe(outputs, rng) for _ in range(count)]
    check_first(subject, outputs, probes, rng, tolerance)


@judging()
def check_jacobian(
    function: Function,
    inputs: Sequence[Any],
    vjp: Function | None = None,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    rows: int = 1000,
) -> None:
    """Compare the Jacobian row by row, each from a one-hot cotangent; ``rows`` of a larger one."""
    check_settings(tolerance, rows=rows)
    subject, outputs, rng = _begin(function, inputs, vjp, seed)
    probes = one_hot_probes(outputs, rng, rows)
    if not probes:
        raise VacuousCheck("jacobian: the outputs have no elements, so it has no rows")
    check_first(subject, outputs, probes, rng, tolerance)


@judging()
def check_second_order(
    function: Function,
    inputs: Sequence[Any],
    lines: int = 2,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> None:
    """Compare the gradient's gradients, along ``lines`` random lines; see ``second_order``."""
    check_settings(tolerance, lines=lines)
    subject, outputs, rng = _begin_tensors(function, inputs, seed)
    check_second(subject, outputs, rng, tolerance, lines)


@judging()
def check_hessian_symmetry(function: Function, inputs: Sequence[Any], seed: int = 0) -> None:
    """⟨a, Hb⟩ = ⟨b, Ha⟩ to rounding, for the Hessian of a random combination of the outputs."""
    subject, outputs, rng = _begin_tensors(function, inputs, seed)
    check_symmetric(subject, outputs, rng)


@judging()
def check_state(
    function: Function, inputs: Sequence[Any], vjp: Function | None = None, seed: int = 0
) -> None:
    """Ask for what surrounds the numbers: exact zeros, second passes, aliases; see ``state``."""
    subject, outputs, rng = _begin(function, inputs, vjp, seed)
    if isinstance(subject, TensorFunction):
        check_tensor_state(subject, outputs, rng)
    elif isinstance(subject, ArrayFunction):
        check_array_state(subject, outputs, rng)


@judging()
def check_complex_step(
    forward: Function,
    vjp: Function,
    inputs: Sequence[Any],
    seed: int = 0,
    tolerance: float = 1e-12,
) -> None:
    """Compare with Im ⟨v, f(x + iεd)⟩/ε, which has no rounding of a difference.

    For a forward on plain arrays that is analytic and takes complex ones (Squire and Trapp,
    1998): ε = 1e-30 leaves only the rounding of f, so that ``tolerance`` can be 1e-12. One that
    drops the imaginary part, or uses abs, maximum and the like, is refused.
    """
    check_settings(tolerance)
    subject, rng = ArrayFunction(forward, vjp, inputs), np.random.default_rng(seed)
    outputs = _outputs(subject)
    vs = random_like(outputs, rng)
    claimed = subject.gradients(subject.inputs, [vs])[0]
    _check_analytic(forward, subject.inputs)
    for i, x in enumerate(subject.inputs):
        measured = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            moved = [a.astype(complex) for a in subject.inputs]
            moved[i][index] += 1e-30j
            measured[index] = flat(vs) @ _flat_imaginary(forward(*moved)) / 1e-30
        nothing = np.zeros_like(x)
        scale = float(np.abs(measured).max(initial=0))
        noise = nothing + 8 * np.finfo(float).eps * scale
        scene = (tuple(subject.inputs), tuple(outputs), tuple(vs), (None,) * len(subject.inputs))
        evidence = Evidence(claimed[i], measured, float(noise.max(initial=0)), i, *scene)
        if x.size:
            found = Measured(measured, noise, nothing)
            comparison = Comparison(f"gradient of input {i}", claimed[i], found, scale, evidence)
            verdict(comparison, tolerance)


@judging()
def taylor_slopes(
    function: Function, inputs: Sequence[Any], order: int = 1, seed: int = 0
) -> list[float]:
    """How fast the remainders of the Taylor expansion fall: near 2, and near 3 with order 2.

    With φ(t) = ⟨v, f(x + td)⟩ for random v and d, the remainder φ(t) − φ(0) − tφ′ shrinks like
    t² if φ′ is the right gradient, like t if it isn't; with ½t²φ″ taken off too, like t³. The slope
    in doubly logarithmic axes is fitted over the steps at which the remainder stands clear of
    rounding. Infinite where the remainder is nothing but rounding: the expansion is exact.
    """
    check_order(order)
    subject, outputs, rng = _begin_tensors(function, inputs, seed)
    vs, d = random_like(outputs, rng), random_direction(subject.inputs, rng)
    first = subject.gradients(subject.inputs, [vs])[0]
    slope = _product(first, d)
    curvature = _product(claims(subject, vs, d)[: len(d)], d) if order == 2 else 0.0
    steps = 2.0 ** -np.arange(3, 14)
    weights, base = flat(vs), flat(outputs)
    changes = []
    for t in steps:
        moved = along(subject.inputs, d, t)
        changes.append(float(weights @ (flat(subject.values(moved)) - base)))
    rounding = 100 * np.finfo(float).eps * (np.abs(weights) @ np.abs(base) + abs(slope))
    remainders = [np.abs(np.array(changes) - steps * slope)]
    if order == 2:
        remainders.append(np.abs(np.array(changes) - steps * slope - steps**2 / 2 * curvature))
    if not np.isfinite(changes).all():
        raise InconclusiveCheck("taylor: the function is not finite near the point")
    if not np.isfinite([slope, curvature]).all():
        raise GradientMismatch("taylor: a claimed gradient is not finite", "not_finite")
    if not np.any(np.abs(changes) > rounding):
        raise VacuousCheck(
            "taylor: the outputs do not change along a random line through the point"
        )
    return [_fall(steps, r, float(rounding)) for r in remainders]


@judging()
def check_taylor(
    function: Function, inputs: Sequence[Any], order: int = 1, seed: int = 0
) -> list[float]:
    """Raise unless the remainders fall as right gradients make them; returns ``taylor_slopes``.

    A verdict without a tolerance: the slope is 1 where the gradient is wrong and 2 where it is
    right, and with ``order`` 2 it is 2 where the second is wrong and 3 where it is right.
    """
    slopes = taylor_slopes(function, inputs, order, seed)
    for power, slope in enumerate(slopes, start=2):
        if not np.isfinite(slope) and slope < 0:
            raise InconclusiveCheck("taylor: too few remainders stand clear of rounding")
        if not slope >= power - 0.3:
            which = "gradient" if power == 2 else "second-order gradient"
            raise GradientMismatch(
                f"{which}: the Taylor remainder falls like t^{slope:.2f}, wanted t^{power}"
            )
    return slopes


@judging()
def check_adjoint(
    linear: Function, adjoint: Function, x: Any, y: Any, tolerance: float = 1e-13
) -> None:
    """⟨A·x, y⟩ = ⟨x, Aᵀ·y⟩ to rounding, for a linear map on arrays and its claimed adjoint.

    ``x`` and ``y`` are arrays of generic values, shaped as what the two maps take. Raises
    ``WrongTypeError`` if ``linear`` is not linear, and ``VacuousCheck`` if A·x or Aᵀ·y is zero.
    """
    check_settings(tolerance)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if not (x.size and y.size):
        raise VacuousCheck(f"adjoint: x has {x.size} elements and y {y.size}: nothing to compare")
    image, back = np.asarray(linear(x)), np.asarray(adjoint(y))
    for name, got, wanted in (("linear(x)", image, y), ("adjoint(y)", back, x)):
        if got.shape != wanted.shape:
            raise GradientMismatch(f"{name}: has shape {got.shape}, wanted {wanted.shape}", "shape")
    for name, map_, at, value in (("linear", linear, x, image), ("adjoint", adjoint, y, back)):
        if not np.isfinite(value).all():
            raise GradientMismatch(f"{name}: gave values that are not finite", "not_finite")
        other = np.roll(at, 1)
        wanted = 0.7 * value - 1.9 * np.asarray(map_(other))
        mixed = np.asarray(map_(0.7 * at - 1.9 * other))
        if not np.abs(mixed - wanted).max(initial=0) <= 1e-12 * np.abs(wanted).max(initial=0):
            words = f"{name}(ax + by) is not a·{name}(x) + b·{name}(y)"
            raise WrongTypeError(f"{name}: is not linear: {words}")
    if not (image.any() and back.any()):
        raise VacuousCheck("adjoint: one of the two products is zero whatever the other map does")
    size = np.abs(image * y).sum() + np.abs(x * back).sum()
    one, other = float((image * y).sum()), float((x * back).sum())
    if not abs(one - other) <= tolerance * size:
        raise GradientMismatch(f"adjoint: ⟨Ax, y⟩ is {one:.15g}, but ⟨x, Aᵀy⟩ is {other:.15g}")


def _begin(
    function: Function, inputs: Sequence[Any], vjp: Function | None, seed: int
) -> tuple[Subject, list[np.ndarray], np.random.Generator]:
    if vjp is None:
        return _begin_tensors(function, inputs, seed)
    subject = ArrayFunction(function, vjp, inputs)
    return subject, _outputs(subject), np.random.default_rng(seed)


def _begin_tensors(
    function: Function, inputs: Sequence[Any], seed: int
) -> tuple[TensorFunction, list[np.ndarray], np.random.Generator]:
    subject = tensor_subject(function, inputs)
    return subject, _outputs(subject), np.random.default_rng(seed)


def _outputs(subject: Subject) -> list[np.ndarray]:
    """What it gives at the point, where its gradients can be checked and there are any."""
    outputs = check_contract(subject)
    check_compared(subject)
    return outputs


def _product(gradients: Sequence[Any], direction: Sequence[np.ndarray]) -> float:
    pairs = zip(gradients, direction, strict=True)
    return float(sum((g * d).sum() for g, d in pairs if g is not None))


def _fall(steps: np.ndarray, remainders: np.ndarray, rounding: float) -> float:
    """The slope of log remainder over log step, where the remainder is more than rounding."""
    clear = remainders > rounding
    if not clear.any():
        return float("inf")
    if clear.sum() < 3:
        return float("-inf")
    last = np.flatnonzero(clear)[-5:]  # the smallest steps: higher terms have faded there
    return float(np.polyfit(np.log(steps[last]), np.log(remainders[last]), 1)[0])


def _flat_imaginary(result: Any) -> np.ndarray:
    listed = _listed(result)
    for y in listed:
        if not np.iscomplexobj(y):
            raise WrongTypeError(
                "forward: returned real numbers for complex ones, so it is not analytic; "
                "check_vjp asks less"
            )
    return flat([np.imag(y) for y in listed])


def _listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _check_analytic(forward: Function, inputs: Sequence[np.ndarray]) -> None:
    """A step along i must change the imaginary part as a real step changes the real one."""
    d = random_direction(inputs, np.random.default_rng(0))
    shifted = [x + 1e-30j * step for x, step in zip(inputs, d, strict=True)]
    imaginary = _flat_imaginary(forward(*shifted)) / 1e-30

    def real(t: float) -> np.ndarray:
        return flat([np.real(y) for y in _listed(forward(*along(inputs, d, t)))])

    base = real(0.0)
    floor = np.maximum(noise_floor(lambda t: real(t) - base), 1e-16 * np.abs(base))
    found = derivatives([lambda t: real(t) - base], floor, lambda v: 1e-6 * np.abs(v).max() + 0 * v)
    away = np.abs(imaginary - found.value[0])
    if np.any(away > np.maximum(1e-4 * np.abs(found.value).max(), 10 * found.noise[0])):
        raise WrongTypeError(
            "forward: is not analytic: a step along i does not change it as a real step does, "
            "which abs, conj or a comparison of complex numbers can cause; check_vjp asks less"
        )
