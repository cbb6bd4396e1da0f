"""Each rung of the ladder alone: it passes what is right and catches what it is for."""

import numpy as np
import pytest

import minigan as mg
from minigan.testing import (
    GradientMismatch,
    InconclusiveCheck,
    VacuousCheck,
    WrongTypeError,
    check_adjoint,
    check_complex_step,
    check_hessian_symmetry,
    check_jacobian,
    check_projections,
    check_second_order,
    check_state,
    check_taylor,
    taylor_slopes,
)

RNG = np.random.default_rng(5)
X, W = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))


def layer(x, w):
    return mg.tanh(x @ w)


def sine(factor=1.0):
    """sin with a backward that is ``factor`` times the right one."""
    return mg.primitive(lambda x: np.sin(x), lambda g, x: factor * g * mg.cos(x), name="sine")


def sine_wrong_twice(factor=2.0):
    """sin whose first gradient is right, and whose second is ``factor`` times the right one."""
    first = mg.primitive(
        lambda g, x: g * np.cos(x),
        [lambda h, x: h * mg.cos(x), lambda h, g, x: -factor * h * g * mg.sin(x)],
        name="first",
    )
    return mg.primitive(lambda x: np.sin(x), lambda g, x: first(g, x), name="sine")


@pytest.mark.parametrize(
    "rung", [check_projections, check_jacobian, check_second_order, check_state]
)
def test_right_gradients_pass_every_rung(rung):
    rung(layer, [X, W])


@pytest.mark.parametrize("rung", [check_projections, check_jacobian])
def test_wrong_gradients_are_caught_by_those_that_compare(rung):
    with pytest.raises(GradientMismatch, match="factor|times"):
        rung(sine(1.00001), [X])
    with pytest.raises(GradientMismatch):
        rung(np.sin, [X], vjp=lambda g, x: g)
    rung(np.sin, [X], vjp=lambda g, x: g * np.cos(x))


def test_the_second_order_alone_is_caught_by_its_rung():
    check_projections(sine_wrong_twice(), [X])
    with pytest.raises(GradientMismatch, match="second-order gradient of input 0"):
        check_second_order(sine_wrong_twice(), [X])


def test_a_hessian_that_is_not_symmetric_is_caught():
    check_hessian_symmetry(layer, [X, W])
    check_hessian_symmetry(lambda x: mg.batch_norm(x, W[:, 0], W[:, 1]), [X])
    first = mg.primitive(lambda g, a, b: g * b, [None, None, lambda h, g: 2 * h * g], name="first")
    product = mg.primitive(
        lambda a, b: a * b, [lambda g, a, b: first(g, a, b), lambda g, a: g * a], name="product"
    )
    with pytest.raises(GradientMismatch, match="not symmetric"):
        check_hessian_symmetry(product, [X, X[::-1].copy()])


# Taylor


@pytest.mark.parametrize("seed", range(5))
def test_the_remainders_of_right_gradients_fall_with_slopes_2_and_3(seed):
    first, second = taylor_slopes(layer, [X, W], order=2, seed=seed)
    assert abs(first - 2) < 0.2 and abs(second - 3) < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_the_remainder_of_a_wrong_gradient_falls_with_slope_1(seed):
    (slope,) = taylor_slopes(sine(1.01), [X], seed=seed)
    assert abs(slope - 1) < 0.2
    with pytest.raises(GradientMismatch, match=r"wanted t\^2"):
        check_taylor(sine(1.01), [X], seed=seed)


def test_a_wrong_second_gradient_has_slope_2():
    assert len(check_taylor(sine_wrong_twice(), [X])) == 1
    with pytest.raises(GradientMismatch, match=r"second-order gradient.*wanted t\^3"):
        check_taylor(sine_wrong_twice(), [X], order=2)


def test_an_exact_expansion_has_no_slope():
    assert check_taylor(lambda x: 3 * x, [X]) == [np.inf]
    assert check_taylor(lambda x: x * x, [X], order=2)[1] == np.inf


def test_a_constant_has_no_expansion_to_look_at():
    with pytest.raises(VacuousCheck, match="do not change"):
        check_taylor(lambda x: x * 0.0, [X])


# Adjoints

KERNEL = RNG.normal(size=3)


def correlate(x):
    return np.array([x[i : i + 3] @ KERNEL for i in range(len(x) - 2)])


def spread(y):
    x = np.zeros(len(y) + 2)
    for i, value in enumerate(y):
        x[i : i + 3] += value * KERNEL
    return x


def test_exact_adjoints_pass():
    check_adjoint(correlate, spread, RNG.normal(size=9), RNG.normal(size=7))
    check_adjoint(lambda x: x.sum(0), lambda y: np.ones((4, 1)) * y, X, X[0])


@pytest.mark.parametrize(
    "adjoint",
    [
        lambda y: spread(y)[::-1],
        lambda y: spread(y) * (1 + 1e-10),
        lambda y: np.concatenate([spread(y)[:-1], [0.0]]),
    ],
)
def test_what_is_not_the_adjoint_is_caught(adjoint):
    with pytest.raises(GradientMismatch, match="⟨Ax, y⟩ is .*, but ⟨x, Aᵀy⟩"):
        check_adjoint(correlate, adjoint, RNG.normal(size=9), RNG.normal(size=7))


def test_adjoints_say_what_else_is_wrong():
    x, y = RNG.normal(size=9), RNG.normal(size=7)
    with pytest.raises(WrongTypeError, match="linear: is not linear"):
        check_adjoint(lambda x: correlate(x) ** 2, spread, x, y)
    with pytest.raises(WrongTypeError, match="adjoint: is not linear"):
        check_adjoint(correlate, lambda y: spread(y) + 1, x, y)
    with pytest.raises(GradientMismatch, match="shape"):
        check_adjoint(correlate, lambda y: y, x, y)
    with pytest.raises(VacuousCheck):
        check_adjoint(lambda x: 0 * y, lambda y: 0 * x, x, y)


def test_a_rung_without_elements_compares_nothing():
    none = np.zeros((0, 3))
    wrong = mg.primitive(lambda x: np.sin(x), lambda g, x: g, name="wrong")
    rungs = (check_projections, check_second_order, check_state, check_hessian_symmetry)
    for rung in (*rungs, check_jacobian, check_taylor):
        with pytest.raises(VacuousCheck):
            rung(wrong, [none])
    with pytest.raises(VacuousCheck):
        check_complex_step(np.sin, lambda g, x: g, [none])
    with pytest.raises(VacuousCheck, match="x has 0 elements"):
        check_adjoint(lambda x: x, lambda y: 2 * y, none, none)


@pytest.mark.parametrize("order", [0, 3, "2", True])
def test_an_order_that_is_not_checked_is_refused(order):
    for rung in (check_taylor, taylor_slopes):
        with pytest.raises(ValueError, match="order: got .*, wanted 1 or 2"):
            rung(mg.sin, [X], order=order)


@pytest.mark.parametrize("tolerance", [5, 0, float("nan")])
def test_a_tolerance_that_passes_anything_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance: got"):
        check_complex_step(np.exp, lambda g, x: 2 * g * np.exp(x), [X], tolerance=tolerance)
    with pytest.raises(ValueError, match="tolerance: got"):
        check_adjoint(lambda x: x, lambda y: 2 * y, X, X, tolerance=tolerance)


def test_nan_is_no_agreement():
    x, nothing = RNG.normal(size=3), np.full(3, np.nan)
    with pytest.raises(GradientMismatch, match="not finite"):
        check_adjoint(lambda x: 2 * x, lambda y: y * np.nan, x, x)
    broken = mg.primitive(lambda x: np.sin(x), lambda g, x: g * nothing, name="broken")
    for check in (check_taylor, check_projections, check_jacobian):
        with pytest.raises(GradientMismatch, match="not finite"):
            check(broken, [x])
    first = mg.primitive(
        lambda g, x: g * np.cos(x), [lambda h, x: h * mg.cos(x), lambda h: h * nothing]
    )
    broken = mg.primitive(lambda x: np.sin(x), lambda g, x: first(g, x), name="broken")
    with pytest.raises(GradientMismatch):
        check_taylor(broken, [x], order=2)
    for check in (check_hessian_symmetry, check_second_order):
        with pytest.raises(GradientMismatch):
            check(broken, [x])


@pytest.mark.parametrize("count", [0, -1, 1.5, True])
def test_counts_that_would_compare_nothing_are_refused(count):
    for check, name in (
        (check_projections, "count"),
        (check_jacobian, "rows"),
        (check_second_order, "lines"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"{name}: got"):
            check(layer, [X, W], **{name: count})


# Complex steps


def swish(x):
    return x / (1 + np.exp(-x))


def swish_vjp(g, x):
    s = 1 / (1 + np.exp(-x))
    return g * (s + x * s * (1 - s))


def test_complex_steps_are_exact():
    check_complex_step(swish, swish_vjp, [X])
    check_complex_step(lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g), [X, W])
    with pytest.raises(GradientMismatch, match="right to at least six digits"):
        check_complex_step(swish, lambda g, x: swish_vjp(g, x) * (1 + 1e-11), [X])


@pytest.mark.parametrize(
    "forward",
    [
        np.abs,
        lambda x: np.real(x) ** 2,
        lambda x: x * np.conj(x),
        lambda x: np.real(x) ** 2 + 0 * x,
        lambda x: np.sqrt(x * np.conj(x)),
    ],
)
def test_what_is_not_analytic_is_refused(forward):
    with pytest.raises(WrongTypeError, match="not analytic"):
        check_complex_step(forward, lambda g, x: g, [X])


def test_a_rung_that_can_not_decide_says_so():
    with pytest.raises(WrongTypeError, match="complex"):
        check_jacobian(lambda x: x + 1j, [X], vjp=lambda g, x: g)
    with pytest.raises(InconclusiveCheck):
        check_jacobian(lambda x: mg.relu(x), [[0.0, 1.0]])
