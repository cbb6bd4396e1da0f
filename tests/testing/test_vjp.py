"""Gradients written for plain arrays."""

import numpy as np
import pytest

from minigan.testing import (
    GradientMismatch,
    InconclusiveCheck,
    MutatedInputError,
    NotDeterministicError,
    StateError,
    WrongTypeError,
    check_vjp,
)

RNG = np.random.default_rng(3)
X, W = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3))


def normalize(x):
    return (x - x.mean(0)) / x.std(0)


def normalize_vjp(g, x):
    y = normalize(x)
    return (g - g.mean(0) - y * (g * y).mean(0)) / x.std(0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("forward", "vjp", "inputs"),
    [
        (np.sin, lambda g, x: g * np.cos(x), [X]),
        (np.matmul, lambda g, x, w: (g @ w.T, x.T @ g), [X, W]),
        (normalize, normalize_vjp, [X]),
        (lambda x: (x**2, x.sum(0)), lambda g, x: 2 * x * g[0] + g[1], [X]),
        (lambda x: x.sum(), lambda g, x: g * np.ones_like(x), [X]),
        (lambda x: float(x @ x), lambda g, x: 2 * g * x, [X[0]]),
        (lambda x, k: x * np.sign(k), lambda g, x, k: (g * np.sign(k), None), [X, X]),
        (
            lambda x: x[:, ::2],
            lambda g, x: np.stack([g[:, 0], 0 * g[:, 0], g[:, 1], 0 * g[:, 0]], 1),
            [X],
        ),
        (lambda x: x, lambda g, x: g, [X]),
        (np.tanh, lambda g, x: g / np.cosh(x) ** 2, [0.3]),
    ],
)
def test_right_ones_pass(forward, vjp, inputs, seed):
    check_vjp(forward, vjp, inputs, seed=seed)


def test_the_second_order_is_a_check_of_the_vjp_as_a_forward():
    vjp = lambda g, x: g * np.cos(x)  # noqa: E731
    check_vjp(vjp, lambda u, g, x: (u * np.cos(x), -u * g * np.sin(x)), [X, X[::-1].copy()])
    with pytest.raises(GradientMismatch, match="input 1"):
        check_vjp(vjp, lambda u, g, x: (u * np.cos(x), u * g * np.sin(x)), [X, X[::-1].copy()])


@pytest.mark.parametrize(
    ("vjp", "kind", "words"),
    [
        (lambda g, x, w: (g @ w.T, -(x.T @ g)), "sign", "input 1"),
        (lambda g, x, w: (2 * g @ w.T, x.T @ g), "factor", "input 0"),
        (lambda g, x, w: (g @ w.T, g.T @ x), "transposed", r"shape \(3, 4\)"),
        (lambda g, x, w: (g @ w.T, None), "zero", "input 1"),
        (lambda g, x, w: ((g @ w.T).astype(np.float32), x.T @ g), "dtype", "float32"),
    ],
)
def test_wrong_ones_are_explained(vjp, kind, words):
    with pytest.raises(GradientMismatch, match=words) as caught:
        check_vjp(np.matmul, vjp, [X, W])
    assert caught.value.kind == kind


def test_batch_norm_with_its_classic_error_is_explained():
    def forgets_the_mean(g, x):
        y = normalize(x)
        return (g - y * (g * y).mean(0)) / x.std(0)

    with pytest.raises(GradientMismatch) as caught:
        check_vjp(normalize, forgets_the_mean, [X])
    assert caught.value.kind == "extra_term" and "mean over axis 0" in str(caught.value)


def test_the_vacuous_check_is_found():
    with pytest.raises(InconclusiveCheck, match="noise"):
        check_vjp(lambda x: normalize(x).sum(0), lambda g, x: normalize_vjp(g + 0 * x, x), [X])


def test_a_backward_that_adds_up_over_calls_is_caught():
    total = np.zeros_like(X)

    def vjp(g, x):
        total[...] += g * np.cos(x)
        return total.copy()

    with pytest.raises(GradientMismatch):
        check_vjp(np.sin, vjp, [X])


def test_a_backward_that_ignores_its_cotangent_is_caught():
    with pytest.raises(GradientMismatch):
        check_vjp(np.sin, lambda g, x: np.cos(x), [X])


def test_code_that_keeps_something_in_forward_is_served():
    kept = {}

    def forward(x):
        kept["x"] = x
        return np.sin(x)

    check_vjp(forward, lambda g, x: g * np.cos(kept["x"]), [X])


def test_an_error_in_one_row_of_the_jacobian_is_caught():
    def vjp(g, x):
        right = g * np.cos(x)
        right[2, 1] *= 1 + 1e-5
        return right

    with pytest.raises(GradientMismatch, match=r"index \(2, 1\)"):
        check_vjp(np.sin, vjp, [np.full((5, 4), 0.4)])


def test_a_large_input_is_measured_at_some_elements_and_along_lines():
    x = RNG.normal(size=(60, 50))
    calls = []

    def forward(x):
        calls.append(1)
        return np.sin(x).sum(1)

    check_vjp(forward, lambda g, x: g[:, None] * np.cos(x), [x])
    assert len(calls) < 3 * x.size
    for place in ((0, 0), (31, 7), (59, 49)):

        def wrong(g, x, place=place):
            right = g[:, None] * np.cos(x)
            right[place] *= 2
            return right

        with pytest.raises(GradientMismatch):
            check_vjp(forward, wrong, [x])
    with pytest.raises(GradientMismatch, match="shape"):
        check_vjp(forward, lambda g, x: (g[:, None] * np.cos(x)).T, [x])


def test_a_row_that_is_rounding_beside_the_others_is_judged_by_them():
    sizes = np.array([1.0, 1.0, 3e-17])
    check_vjp(lambda x: x * sizes, lambda g, x: g * [1, 1, -2e-17], [X[0, :3]])
    with pytest.raises(GradientMismatch):
        check_vjp(lambda x: x * sizes * [1, 1, 1e6], lambda g, x: g * [1, 1, -2e-11], [X[0, :3]])


# Functions that can't be checked


def writes(x):
    x *= 2
    return x


@pytest.mark.parametrize(
    ("forward", "vjp", "error", "words"),
    [
        (lambda x: RNG.normal(size=3), lambda g, x: g, NotDeterministicError, "different values"),
        (lambda x: "no", lambda g, x: g, WrongTypeError, "returned an object of type str"),
        (lambda x: (), lambda g, x: g, WrongTypeError, "empty"),
        (lambda x: None, lambda g, x: g, WrongTypeError, "returned None"),
        (np.sin, lambda g, x: (g, g), WrongTypeError, "2 gradients for 1 inputs"),
        (np.sin, lambda g, x: [[1.0]], WrongTypeError, "wanted an array"),
        (writes, lambda g, x: g, MutatedInputError, "forward: wrote to input 0"),
        (np.sin, lambda g, x: writes(g), MutatedInputError, "vjp: wrote to its cotangent 0"),
        (np.sin, lambda g, x: writes(x), MutatedInputError, "vjp: wrote to input 0"),
    ],
)
def test_each_has_its_error(forward, vjp, error, words):
    with pytest.raises(error, match=words):
        check_vjp(forward, vjp, [X])


def test_a_gradient_that_is_not_linear_in_the_cotangent_is_named():
    # Right for every cotangent that the comparison drew, wrong for a sum of two.
    def vjp(g, x):
        return g * np.cos(x) if (np.abs(g) <= 1.5).all() else g**2 * np.cos(x)

    with pytest.raises(StateError, match="not linear"):
        check_vjp(np.sin, vjp, [X])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_have_to_be_finite(bad):
    with pytest.raises(ValueError, match=r"inputs\[1\]"):
        check_vjp(np.add, lambda g, x, y: (g, g), [X, np.full((5, 4), bad)])
