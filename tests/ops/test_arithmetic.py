from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from properties import FLOATS, behaves, close_each, gradient, plain
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.testing import check_gradients
from minigan.testing.strategies import arrays, broadcastable, seeds, shapes, values

BINARY = {
    "add": ("any", "any"),
    "subtract": ("any", "any"),
    "multiply": ("any", "any"),
    "divide": ("any", "off_zero"),
    "power": ("positive", "any"),
}
COMPARISONS = ["equal", "greater", "greater_equal", "less", "less_equal", "not_equal"]


def apart(seed: int, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays that differ by at least 0.1 wherever broadcasting lets them meet."""
    both = values(seed, (int(np.prod(a)) + int(np.prod(b)),), "distinct") * 2
    return both[: int(np.prod(a))].reshape(a), both[int(np.prod(a)) :].reshape(b)


@pytest.mark.parametrize("name", BINARY)
@examples(12)
@given(shapes=broadcastable(), seed=seeds())
def test_binary_functions_match_numpy_under_broadcasting(name, shapes, seed):
    a, b = (values(seed + i, s, BINARY[name][i]) for i, s in enumerate(shapes))
    close_each(getattr(mg, name)(Tensor(a), Tensor(b)), getattr(np, name)(a, b))
    behaves(getattr(mg, name), a, b)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@examples(12)
@given(shapes=broadcastable(), seed=seeds())
def test_maximum_and_minimum_match_numpy_under_broadcasting(name, shapes, seed):
    a, b = apart(seed, *shapes)
    close_each(getattr(mg, name)(Tensor(a), Tensor(b)), getattr(np, name)(a, b))
    behaves(getattr(mg, name), a, b)


@pytest.mark.parametrize("name", BINARY)
@examples(6)
@given(shape=shapes(), seed=seeds())
def test_one_tensor_may_be_both_operands(name, shape, seed):
    x = values(seed, shape, "positive")
    function = getattr(mg, name)
    close_each(function(Tensor(x), Tensor(x)), getattr(np, name)(x, x))
    if name == "subtract":  # x − x is constant: the gradient is exactly 0
        assert not gradient(lambda t: t - t, x).any()
    elif name == "divide":
        assert np.abs(gradient(lambda t: t / t, x)).max(initial=0) < 1e-14
    else:
        check_gradients(lambda t: function(t, t), [x], order=2, empty=True)


@examples(12)
@given(shapes=broadcastable(3), seed=seeds())
def test_where_takes_each_element_from_its_side(shapes, seed):
    condition = values(seed, shapes[0]) > 0
    a, b = values(seed + 1, shapes[1]), values(seed + 2, shapes[2])
    close_each(mg.where(condition, Tensor(a), Tensor(b)), np.where(condition, a, b))
    behaves(lambda s, t: mg.where(condition, s, t), a, b)
    behaves(lambda t: mg.where(condition, t, -t), b)


def test_where_hides_the_side_not_taken_even_from_infinite_gradients():
    x = Tensor([0.0, 4.0], requires_grad=True)
    y = mg.where(x.data > 1, mg.sqrt(mg.where(x.data > 1, x, 1.0)), 0.0)
    np.testing.assert_array_equal(mg.grad(y.sum(), x)[0].numpy(), [0.0, 0.25])


def test_where_takes_a_tensor_or_a_number_as_its_condition():
    assert mg.where(Tensor([0.0, 2.0]), 1.0, Tensor([5.0, 6.0])).numpy().tolist() == [5.0, 1.0]
    assert mg.where(True, Tensor(1.0), 2.0).item() == 1.0
    assert mg.where(False, Tensor(1.0), 2.0).item() == 2.0


@pytest.mark.parametrize("name", ["negative", "absolute", "sign"])
@examples(6)
@given(x=arrays(kind="off_zero"))
def test_functions_of_the_sign_match_numpy(name, x):
    close_each(getattr(mg, name)(Tensor(x)), getattr(np, name)(x))
    behaves(getattr(mg, name), x)


@pytest.mark.parametrize("bounds", [(-0.4, 0.6), (None, 0.2), (-0.2, None)])
@examples(6)
@given(x=arrays(kind="distinct"))
def test_clip_matches_numpy(bounds, x):
    close_each(mg.clip(Tensor(x), *bounds), np.clip(x, *bounds))
    behaves(lambda t: mg.clip(t, *bounds), x)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, 1.5, -0.5, True])
@examples(5)
@given(x=arrays(kind="positive"))
def test_power_of_a_number(exponent, x):
    close_each(mg.power(Tensor(x), exponent), x**exponent)
    behaves(lambda t: t**exponent, x)


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, -1, -3])
def test_integer_powers_take_negative_bases(exponent):
    x = np.array([-1.3, -0.4, 0.6])
    close_each(mg.power(Tensor(x), exponent), x**exponent)
    behaves(lambda t: t**exponent, x)


@examples(8)
@given(p=arrays())
def test_a_number_to_the_power_of_a_tensor(p):
    close_each(mg.power(1.7, Tensor(p)), 1.7**p)
    behaves(lambda t: 1.7**t, p)


# Kinks and ties


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_a_tie_is_shared_half_and_half(name):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, -3.0])
    larger = name == "maximum"
    first = [0.5, 0.0 if larger else 1.0, 1.0 if larger else 0.0]
    function = getattr(mg, name)
    np.testing.assert_array_equal(gradient(function, a, b), first)
    np.testing.assert_array_equal(gradient(function, a, b, of=1), 1 - np.array(first))
    np.testing.assert_array_equal(gradient(lambda t: function(t, t), a), np.ones(3))


def test_absolute_and_sign_have_gradient_zero_at_zero():
    x = np.array([-2.0, 0.0, -0.0, 3.0])
    np.testing.assert_array_equal(gradient(mg.absolute, x), [-1, 0, 0, 1])
    np.testing.assert_array_equal(gradient(mg.sign, x), np.zeros(4))
    np.testing.assert_array_equal(mg.sign(Tensor(x)).numpy(), [-1, 0, 0, 1])


def test_clip_passes_the_gradient_at_its_bounds():
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    np.testing.assert_array_equal(gradient(lambda t: mg.clip(t, -1, 1), x), [0, 1, 1, 1, 0])
    # 0.1 is not a float32: the bound is rounded to the tensor's dtype, then it is inside.
    t = Tensor([0.1, 0.2], requires_grad=True, dtype="float32")
    assert mg.grad(mg.clip(t, 0.1, 0.2).sum(), t)[0].numpy().tolist() == [1, 1]


@pytest.mark.parametrize("bound", [np.float64(0.7), np.array(0.7), np.float32(0.7)])
def test_a_bound_of_clip_is_one_number_forwards_and_backwards(bound):
    x = Tensor([0.7], requires_grad=True, dtype="float32")
    assert mg.grad(mg.clip(x, bound, None).sum(), x)[0].numpy().tolist() == [1]
    assert mg.grad(mg.clip(x, None, bound).sum(), x)[0].numpy().tolist() == [1]


def test_zero_to_the_power_of_zero_is_one_with_gradient_zero():
    zero = np.array([0.0])
    assert mg.power(Tensor(zero), 0).item() == 1
    assert mg.power(Tensor(zero), Tensor(zero)).item() == 1
    assert gradient(lambda t: t**0, zero) == 0
    assert gradient(mg.power, zero, zero, of=0) == 0
    assert gradient(mg.power, zero, zero, of=1) == 0


@pytest.mark.parametrize(("p", "first", "second"), [(1, 1, 0), (2, 0, 2), (3, 0, 0)])
@pytest.mark.parametrize("tensor", [False, True])
def test_powers_at_a_base_of_zero(p, first, second, tensor):
    x = Tensor(0.0, requires_grad=True)
    (g,) = mg.grad(x ** (Tensor(float(p)) if tensor else p), x, create_graph=True)
    assert g.item() == first
    (h,) = mg.grad(g, x, allow_unused=True)
    assert (0 if h is None else h.item()) == second


def test_the_gradient_of_the_exponent_is_zero_at_a_base_of_zero():
    base, p = np.array([0.0, 0.0, 2.0]), np.array([1.0, 2.5, 0.0])
    np.testing.assert_allclose(gradient(mg.power, base, p, of=1), [0, 0, np.log(2)], rtol=1e-15)


def test_the_gradient_of_a_negative_exponent_is_zero_at_a_base_of_zero_too():
    with np.errstate(divide="ignore", invalid="ignore"):  # 0⁻¹ = ∞, and ∞·0
        assert gradient(mg.power, np.array([0.0]), np.array([-1.0]), of=1) == 0


# Constants


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "constant", [2, 2.5, True, np.float64(2.5), np.int64(2), np.array(2.5), np.array([1, 2])]
)
@pytest.mark.parametrize("name", [*BINARY, "maximum", "minimum"])
def test_constants_never_widen(dtype, constant, name):
    x = Tensor([1.5, 0.5], requires_grad=True, dtype=dtype)
    for y in (getattr(mg, name)(x, constant), getattr(mg, name)(constant, x)):
        assert y.dtype == dtype
        assert mg.grad(y.sum(), x)[0].dtype == dtype
    for y in (mg.where([True, False], x, constant), mg.where([True, False], constant, x)):
        assert y.dtype == dtype


def test_a_mask_multiplies_without_widening():
    x = Tensor([1.5, 0.5], requires_grad=True, dtype="float32")
    y = x * np.array([True, False])
    assert y.dtype == np.float32 and y.numpy().tolist() == [1.5, 0]
    assert mg.grad(y.sum(), x)[0].numpy().tolist() == [1, 0]


# Comparisons


@pytest.mark.parametrize("name", COMPARISONS)
@examples(10)
@given(shapes=broadcastable(), seed=seeds())
def test_comparisons_give_numpys_plain_booleans(name, shapes, seed):
    a, b = (np.round(values(seed + i, s)) for i, s in enumerate(shapes))  # rounded: some are equal
    tracked = Tensor(a, requires_grad=True)
    expected = getattr(np, name)(a, b)
    for left, right in ((tracked, Tensor(b)), (tracked, b), (a, Tensor(b))):
        found = getattr(mg, name)(left, right)
        assert not isinstance(found, Tensor)
        assert found.dtype == bool and np.array_equal(plain(found), expected)


# Errors


def test_clip_without_bounds_says_so():
    with pytest.raises(ValueError, match="clip needs at least one of low and high"):
        mg.clip(Tensor([1.0]))


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"multiply: .*\(2,\) \(3,\)"):
        mg.multiply(Tensor([1.0, 2.0]), Tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("wrong", ["a", None, 1j, [object()]])
def test_an_operand_that_is_no_number_is_named(wrong):
    with pytest.raises(TypeError, match=f"add: .*{type(wrong).__name__}"):
        mg.add(Tensor([1.0]), wrong)


def test_clip_by_a_tensor_is_refused_by_name():
    with pytest.raises(TypeError, match="maximum and minimum take tensors"):
        mg.clip(Tensor([1.0]), Tensor(0.0), 2.0)
