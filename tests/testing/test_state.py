"""What surrounds the numbers: each slip planted, each named."""

import numpy as np
import pytest

import minigan as mg
from minigan.tensor import wrap
from minigan.testing import (
    MutatedInputError,
    NoPathError,
    NotDeterministicError,
    StateError,
    WrongTypeError,
    check_gradients,
    check_state,
)

X = np.random.default_rng(1).normal(size=(3, 4))


def times_cos(backward):
    return mg.primitive(lambda x: np.sin(x), backward, name="planted")


def test_right_functions_pass():
    check_state(lambda a, b: mg.tanh(a) * b, [X, X[::-1].copy()])
    check_state(lambda x: [x, x + 1, x[0]], [X])
    check_state(lambda a, b: mg.log(a) * b, [abs(X), X])  # b can't stand where a does


def test_a_zero_cotangent_must_give_exact_zeros():
    planted = times_cos(lambda g, x: g * mg.cos(x) + 1e-20)
    with pytest.raises(StateError, match="exact zeros"):
        check_state(planted, [X])


def test_a_second_backward_must_give_the_same():
    calls = []

    def backward(g, x):
        calls.append(1)
        return g * mg.cos(x) * (1 + 1e-13 * len(calls))

    with pytest.raises(StateError, match="second backward gave other values"):
        check_state(times_cos(backward), [X])


def test_a_backward_that_writes_to_its_cotangent_is_named():
    def backward(g, x):
        right = g * mg.cos(x)
        g._array *= 2
        return right

    with pytest.raises((MutatedInputError, StateError)):
        check_state(times_cos(backward), [X])


def test_a_backward_that_writes_to_its_input_is_named():
    def backward(g, x):
        right = g * mg.cos(x)
        x._array += 1e-3
        return right

    with pytest.raises((MutatedInputError, StateError)):
        check_state(times_cos(backward), [X])


def test_a_function_that_writes_to_its_input_is_named():
    def function(x):
        y = mg.sin(x)
        x.assign(x.numpy() + 1)
        return y

    with pytest.raises(MutatedInputError, match="wrote to input 0"):
        check_gradients(function, [X])


def test_equal_valued_tensors_are_kept_apart():
    # A cache keyed by values takes the second operand for the first.
    cache = {}

    def product(a, b):
        key = b.numpy().tobytes()
        b = cache.get(key, b) if key == a.numpy().tobytes() else b
        cache[a.numpy().tobytes()] = a
        return a * b

    with pytest.raises(StateError, match="both input 0 and input 1"):
        check_state(product, [X, X[::-1].copy()])


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: x.numpy(), WrongTypeError, "type ndarray"),
        (lambda x: [mg.sin(x), None], WrongTypeError, "returned None as output 1"),
        (lambda x: [], WrongTypeError, "empty"),
        (lambda x: mg.Tensor(np.sin(x.numpy())), NoPathError, "tracked"),
        (
            lambda x: mg.dropout(x, 0.5, mg.random.Stream(np.random.randint(1 << 30))),
            NotDeterministicError,
            "different values",
        ),
    ],
)
def test_functions_that_can_not_be_checked(function, error, words):
    with pytest.raises(error, match=words):
        check_gradients(function, [X])


def test_what_can_not_be_differentiated_twice_is_named():
    once = mg.primitive(lambda x: np.sin(x), lambda g, x: wrap(g._array * np.cos(x._array)))
    check_gradients(once, [X])
    with pytest.raises(mg.errors.NotTwiceDifferentiableError):
        check_gradients(once, [X], order=2)
