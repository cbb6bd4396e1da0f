from __future__ import annotations

import operator
import re

import numpy as np
import pytest
from properties import close, close_each

import minigan as mg
from minigan import Tensor
from minigan.backend import is_array
from minigan.errors import DeviceError
from minigan.ops import operators
from minigan.testing import check_gradients
from minigan.testing.values import values

A, B = values(0, (2, 3), "positive"), values(1, (2, 3), "positive")

BINARY = ["add", "sub", "mul", "truediv", "pow"]
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]
UFUNCS_OF_TWO = [f for f in operators.UFUNCS if f.nin == 2 and f is not np.matmul]
UFUNCS_OF_ONE = [f for f in operators.UFUNCS if f.nin == 1]


@pytest.mark.parametrize("name", BINARY)
def test_operators_between_tensors_arrays_and_numbers(name):
    apply = getattr(operator, name)
    for left, right in ((Tensor(A), Tensor(B)), (Tensor(A), B), (A, Tensor(B))):
        found = apply(left, right)
        assert isinstance(found, Tensor)
        close_each(found, apply(A, B))
    close_each(apply(Tensor(A), 2.5), apply(A, 2.5))
    close_each(apply(2.5, Tensor(A)), apply(2.5, A))
    check_gradients(apply, [A, B], order=2)
    check_gradients(lambda t: apply(2.5, t), [A], order=2)
    check_gradients(lambda t: apply(B, t), [A], order=2)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_between_tensors_arrays_and_numbers(name):
    apply, a = getattr(operator, name), np.array([1.0, 2.0, 3.0])
    b = np.array([2.0, 2.0, 2.0])
    for left, right in ((Tensor(a), Tensor(b)), (Tensor(a), b), (a, Tensor(b)), (Tensor(a), 2)):
        found = apply(left, right)
        assert is_array(found) and found.tolist() == apply(a, b).tolist()


def test_unary_operators_and_matmul():
    x = values(0, (2, 3), "off_zero")
    close_each(-Tensor(x), -x)
    close_each(+Tensor(x), x)
    close_each(abs(Tensor(x)), abs(x))
    close(Tensor(x) @ Tensor(A.T), x @ A.T)
    close(x @ Tensor(A.T), x @ A.T)
    check_gradients(lambda t: -t * abs(t) @ (+t).T, [x], order=2)


def test_in_place_operators_bind_a_new_tensor():
    x = Tensor(A, requires_grad=True)
    y = x
    y += 1
    y *= 2
    assert y is not x
    close_each(y, (A + 1) * 2)
    np.testing.assert_array_equal(x.numpy(), A)
    assert (mg.grad(y.sum(), x)[0].numpy() == 2).all()


@pytest.mark.parametrize("ufunc", UFUNCS_OF_ONE, ids=lambda f: f.__name__)
def test_ufuncs_of_one_operand_give_tracked_tensors(ufunc):
    close_each(ufunc(Tensor(A)), ufunc(A), 1e-15)
    check_gradients(ufunc, [A], order=2)


@pytest.mark.parametrize("ufunc", UFUNCS_OF_TWO, ids=lambda f: f.__name__)
def test_ufuncs_of_two_operands_take_a_tensor_on_either_side(ufunc):
    for left, right in ((Tensor(A), Tensor(B)), (Tensor(A), B), (A, Tensor(B))):
        close_each(ufunc(left, right), ufunc(A, B), 1e-15)
    close_each(ufunc(Tensor(A), 0.7), ufunc(A, 0.7), 1e-15)
    close_each(ufunc(0.7, Tensor(A)), ufunc(0.7, A), 1e-15)
    if isinstance(ufunc(Tensor(A), B), Tensor):
        check_gradients(ufunc, [A, B], order=2)


FUNCTIONS = {
    np.sum: lambda f, x: f(x, axis=1, keepdims=True),
    np.mean: lambda f, x: f(x, axis=0),
    np.var: lambda f, x: f(x, axis=1, ddof=1),
    np.max: lambda f, x: f(x, axis=1),
    np.min: lambda f, x: f(x, axis=1),
    np.amax: lambda f, x: f(x),
    np.amin: lambda f, x: f(x),
    np.where: lambda f, x: f(A > 1, x, x * x),
    np.clip: lambda f, x: f(x, 0.61, 1.37),
    np.einsum: lambda f, x: f("ij,kj->ik", x, x),
    np.reshape: lambda f, x: f(x, (3, 2)),
    np.transpose: lambda f, x: f(x, (1, 0)),
    np.broadcast_to: lambda f, x: f(x, (2, 2, 3)),
    np.concatenate: lambda f, x: f([x, x * x], axis=1),
    np.stack: lambda f, x: f([x, x * x], axis=1),
    np.split: lambda f, x: f(x, 3, axis=1)[1],
    np.pad: lambda f, x: f(x, ((1, 0), (0, 2)), mode="edge"),
    np.flip: lambda f, x: f(x, 1),
    np.roll: lambda f, x: f(x, 1, axis=1),
    np.take: lambda f, x: f(x, [0, 2], axis=1),
}
FACTS = {np.shape, np.ndim, np.size}


def test_every_numpy_function_in_the_table_is_tried():
    assert set(operators.FUNCTIONS) == set(FUNCTIONS) | FACTS


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_numpy_functions_give_tracked_tensors(function):
    call = FUNCTIONS[function]
    found = call(function, Tensor(A, requires_grad=True))
    assert isinstance(found, Tensor) and found.requires_grad
    close(found, call(function, A))
    check_gradients(lambda t: call(function, t), [A], order=2)


def test_numpy_tells_the_shape():
    x = Tensor(A)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)


def test_methods_are_the_functions_of_their_names():
    x = Tensor(A)
    for name in ("sum", "mean", "var", "max", "min"):
        method, function = getattr(x, name), getattr(np, name)
        close(method(), function(A))
        close(method(axis=1, keepdims=True), function(A, axis=1, keepdims=True))
        close(method(0), function(A, 0))
    close(x.clip(0.5, 1.5), A.clip(0.5, 1.5))
    for found in (x.reshape(3, 2), x.reshape((3, 2)), x.reshape([3, -1]), x.reshape(-1, 2)):
        close(found, A.reshape(3, 2))
    close(x.reshape(-1), A.reshape(-1))
    close(x[:1, :1].reshape(), A[:1, :1].reshape(()))
    for found in (x.T, x.transpose(), x.transpose(1, 0), x.transpose((1, 0)), x.transpose(None)):
        close(found, A.T)
    close(Tensor(A[0]).transpose(0), A[0])


@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
@pytest.mark.parametrize("target", ["float16", "float32", "float64"])
def test_astype_converts_and_its_gradient_converts_back(source, target):
    x = Tensor(A, requires_grad=True, dtype=source)
    y = x.astype(target)
    assert y.dtype == target and y._array is not x._array
    np.testing.assert_array_equal(y.numpy(), A.astype(source).astype(target))
    (g,) = mg.grad(y, x, B.astype(target), create_graph=True)
    assert g.dtype == source
    np.testing.assert_array_equal(g.numpy(), B.astype(target).astype(source))


def test_astype_is_differentiable_twice_and_takes_floats_only():
    check_gradients(lambda t: mg.astype(t, "float64") ** 3, [A], order=2)
    for dtype in (int, bool, complex, "longdouble"):
        with pytest.raises(TypeError, match="astype: got"):
            Tensor(A).astype(dtype)


def test_to_the_same_device_changes_nothing():
    x = Tensor(A, requires_grad=True)
    assert x.to(x.device) is x and mg.to(x, x.device) is x
    check_gradients(lambda t: t.to(x.device) * t, [A], order=2)
    check_gradients(lambda t: operators._moved(t * t, x.device, x.device), [A], order=2)


def test_an_unknown_device_is_named():
    with pytest.raises(DeviceError, match="device"):
        Tensor(A).to("tpu")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.arctan(x), "numpy.arctan is not defined for tensors"),
        (lambda x: np.add.reduce(x), r"numpy.add.reduce is not defined for tensors"),
        (lambda x: np.add(x, x, out=np.zeros((2, 3))), "numpy.add with out is not defined"),
        (lambda x: np.median(x), "numpy.median is not defined for tensors"),
        (lambda x: np.linalg.norm(x), r"numpy.linalg.norm is .*; use mg.norm\(x\), which is"),
        (lambda x: np.squeeze(x), r"numpy.squeeze is .*; use x.reshape\(…\).* or .numpy\(\)"),
        (lambda x: np.reciprocal(x), "numpy.reciprocal is .*; use 1 / x, which is tracked"),
        (lambda x: x + "a", "add: can't compute with an operand of type str"),
        (lambda x: x * None, "multiply: can't compute with an operand of type NoneType"),
    ],
)
def test_what_is_not_defined_says_so(call, message):
    with pytest.raises(TypeError, match=message):
        call(Tensor(A))


def test_what_is_named_instead_is_not_there_and_the_other_is():
    for function, words in operators.INSTEAD.items():
        assert function not in {**operators.UFUNCS, **operators.FUNCTIONS}
        for name in re.findall(r"mg\.(\w+)", words):
            assert hasattr(mg, name)
        for name in re.findall(r"x\.(\w+)", words):
            assert hasattr(Tensor, name)
