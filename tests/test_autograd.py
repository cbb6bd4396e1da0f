"""The tape: what gradients come back, what is kept for them, and what a primitive may be."""

import functools
import gc
import threading
import weakref

import numpy as np
import pytest
from properties import share_memory

import minigan as mg
from minigan import Tensor, primitive
from minigan.backend import device_of, to_device
from minigan.buffers import SMALLEST
from minigan.errors import (
    GradientError,
    GraphFreedError,
    NotTwiceDifferentiableError,
    StaleTensorError,
)
from minigan.primitives import broadcast_to, sum_to
from minigan.testing import check_gradients

A = np.array([0.5, -1.5, 2.0])
B = np.array([3.0, 0.25, -1.0])


def tracked(values, dtype=None):
    return Tensor(values, requires_grad=True, dtype=dtype)


def values(*tensors):
    return [t.numpy().tolist() for t in tensors]


# grad


def test_grad_of_a_scalar_is_a_tuple_of_one_per_input():
    a, b = tracked(A), tracked(B)
    found = mg.grad((a * b).sum(), [a, b])
    assert isinstance(found, tuple)
    assert values(*found) == [B.tolist(), A.tolist()]
    assert values(*mg.grad((a * b).sum(), a)) == [B.tolist()]


def test_grad_leaves_grad_attributes_alone():
    a = tracked(A)
    mg.grad((a * a).sum(), a)
    assert a.grad is None


def test_several_outputs_add_up():
    a = tracked(A)
    (g,) = mg.grad([(a * a).sum(), (3 * a).sum()], a)
    assert np.array_equal(g.numpy(), 2 * A + 3)
    (g,) = mg.grad([a * a, 3 * a], a, [B, A])
    assert np.array_equal(g.numpy(), 2 * A * B + 3 * A)


def test_one_output_may_be_none_among_given_grad_outputs():
    a = tracked(A)
    (g,) = mg.grad([(a * a).sum(), 3 * a], a, [None, B])
    assert np.array_equal(g.numpy(), 2 * A + 3 * B)


@pytest.mark.parametrize("kind", [np.asarray, Tensor, lambda v: [Tensor(v)], lambda v: (v,)])
def test_grad_outputs_may_be_arrays_tensors_or_sequences_of_them(kind):
    a = tracked(A)
    (g,) = mg.grad(a * a, [a], kind(B))
    assert np.array_equal(g.numpy(), 2 * A * B)


@pytest.mark.parametrize("seed", [2, 2.0, np.float64(2), np.array(2), np.array(2, np.float16)])
def test_grad_outputs_of_a_scalar_may_be_a_number(seed):
    a = tracked(np.float32(3))
    (g,) = mg.grad(a * a, a, seed)
    assert g.item() == 12 and g.dtype == np.float32


def test_grad_outputs_take_the_dtype_of_their_output():
    a = tracked(A, np.float32)
    (g,) = mg.grad(a * a, a, B)
    assert g.dtype == np.float32 and np.array_equal(g.numpy(), np.float32(2 * A * B))


def test_a_tensor_of_another_dtype_is_cast_to_its_outputs():
    a = tracked(A, np.float32)
    (g,) = mg.grad(a, a, Tensor(B))
    assert g.dtype == np.float32 and np.array_equal(g.numpy(), np.float32(B))


def test_a_tracked_grad_output_is_differentiated_too():
    a, v = tracked(A), tracked(B)
    (g,) = mg.grad(a * a, a, v, create_graph=True)
    (h,) = mg.grad(g.sum(), v)
    assert np.array_equal(h.numpy(), 2 * A)


def test_inputs_need_not_be_leaves():
    a = tracked(A)
    b = a * 2
    c = b * b
    found = mg.grad(c.sum(), [b, a, c])
    assert values(*found) == [(4 * A).tolist(), (8 * A).tolist(), [1, 1, 1]]


def test_an_input_may_be_an_output():
    a = tracked(A)
    b = a * 2
    (g,) = mg.grad(b, b, B)
    assert np.array_equal(g.numpy(), B)
    found = mg.grad([b, (b * b).sum()], [b, a], [B, None])
    assert values(*found) == [(B + 4 * A).tolist(), (2 * (B + 4 * A)).tolist()]
    (g,) = mg.grad(a, a, B)
    assert np.array_equal(g.numpy(), B)


def test_the_same_input_or_output_twice():
    a = tracked(A)
    y = (a * a).sum()
    one, two = mg.grad([y, y], [a, a])
    assert np.array_equal(one.numpy(), 4 * A) and np.array_equal(two.numpy(), 4 * A)
    assert not share_memory(one.data, two.data)


def test_an_unused_input_is_an_error_or_none():
    a, b = tracked(A), tracked(B)
    with pytest.raises(GradientError, match=r"inputs\[1\], of shape \(3,\), was not used"):
        mg.grad((a * a).sum(), [a, b])
    g, nothing = mg.grad((a * a).sum(), [a, b], allow_unused=True)
    assert np.array_equal(g.numpy(), 2 * A) and nothing is None


def test_an_input_computed_after_the_output_is_unused():
    a = tracked(A)
    b = a * 2
    c = b * 3
    with pytest.raises(GradientError, match="not used"):
        mg.grad(b.sum(), c)


def test_an_operand_without_a_gradient_is_unused():
    where = mg.primitive(lambda c, a, /: np.where(c > 0, a, 0), [None, lambda g, c: g * (c > 0)])
    a, c = tracked(A), tracked(B)
    g, nothing = mg.grad(where(c, a).sum(), [a, c], allow_unused=True)
    assert values(g) == [[1, 1, 0]] and nothing is None


@pytest.mark.parametrize("bad", [Tensor(A), A, None])
def test_an_untracked_input_is_an_error(bad):
    a = tracked(A)
    with pytest.raises(GradientError, match=r"inputs\[1\] is not tracked"):
        mg.grad((a * a).sum(), [a, bad])


def test_a_result_that_is_not_a_single_element_needs_grad_outputs():
    a = tracked(A)
    with pytest.raises(GradientError, match=r"outputs\[1\] has shape \(3,\).*grad_outputs"):
        mg.grad([a.sum(), a * 2], a)
    with pytest.raises(GradientError, match="single element"):
        (a * 2).backward()
    with pytest.raises(GradientError, match="single element"):
        mg.grad(tracked([]) * 2, a)


def test_a_single_element_of_any_ndim_needs_none():
    x = tracked([[[3.0]]])
    (g,) = mg.grad(x * x, x)
    assert values(g) == [[[[6.0]]]]


def test_grad_outputs_of_a_wrong_shape_or_number_are_errors():
    a = tracked(A)
    with pytest.raises(ValueError, match=r"grad_outputs\[0\]: got shape \(2,\), wanted \(3,\)"):
        mg.grad(a * 2, a, np.ones(2))
    with pytest.raises(ValueError, match=r"grad_outputs\[0\]"):
        mg.grad(a * 2, a, 1.0)  # not broadcast: that is a sum in disguise
    with pytest.raises(ValueError, match="got 2 for 1"):
        mg.grad(a * 2, a, [B, B])


def test_outputs_must_be_tensors():
    a = tracked(A)
    with pytest.raises(TypeError, match=r"outputs\[0\]: got ndarray"):
        mg.grad([np.ones(3)], a, [B])


# Higher orders


def test_third_order_and_beyond():
    x = tracked(A)
    y = (x**5).sum()
    for expected in (5 * A**4, 20 * A**3, 60 * A**2, 120 * A, 120 * np.ones(3)):
        (g,) = mg.grad(y, x, create_graph=True)
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-14)
        y = g.sum()


def test_third_order_of_a_function_of_several_variables():
    a, b = tracked(A), tracked(B)
    y = (mg.tanh(a * b) + mg.sin(a) * b**3).sum()
    (first,) = mg.grad(y, a, create_graph=True)
    (second,) = mg.grad(first.sum(), b, create_graph=True)
    (third,) = mg.grad(second.sum(), a)
    t = np.tanh(A * B)
    u, du = 1 - t * t, -2 * t * (1 - t * t)  # tanh′ and tanh″ at ab
    ddu = -2 * u * u + 4 * t * t * u
    # ∂/∂a: b·u; ∂²/∂a∂b: u + ab·u′; ∂³/∂a∂b∂a: 2b·u′ + ab²·u″, with tanh′ = u.
    expected = 2 * B * du + A * B * B * ddu - np.sin(A) * 3 * B**2
    np.testing.assert_allclose(third.numpy(), expected, rtol=1e-13)


def test_orders_mix_in_one_expression():
    # A gradient penalty: ∂/∂w of |∂y/∂x|², whose graph holds first- and second-order terms.
    def penalty(w, x):
        y = mg.tanh(x @ w)
        (g,) = mg.grad(y.sum(), x, create_graph=True)
        return (g * g).sum() + y.sum()

    check_gradients(lambda w: penalty(w, tracked([[0.3, -0.2], [1.0, 0.4]])), [[[0.5], [0.8]]])


def test_gradients_without_create_graph_are_untracked():
    x = tracked(A)
    (g,) = mg.grad((x * x).sum(), x)
    assert not g.requires_grad
    (g,) = mg.grad((x * x).sum(), x, create_graph=True)
    assert g.requires_grad


def test_create_graph_works_under_no_grad_and_leaves_it_in_force():
    x = tracked(A)
    y = (x**3).sum()
    with mg.no_grad():
        (g,) = mg.grad(y, x, create_graph=True)
        assert g.requires_grad
        assert not (x * x).requires_grad
    assert values(*mg.grad(g.sum(), x)) == [(6 * A).tolist()]


def test_a_linear_functions_gradient_is_constant():
    x = tracked(A)
    (g,) = mg.grad((x * B).sum(), x, create_graph=True)
    assert mg.grad(g.sum(), x, allow_unused=True) == (None,)


def test_backward_with_create_graph_gives_a_grad_that_is_tracked():
    x = tracked(A)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.sum().backward()
    assert np.array_equal(x.grad.numpy(), 6 * A)


# backward


def test_backward_accumulates():
    a, b = tracked(A), tracked(B)
    (a * b).sum().backward()
    (a * a).sum().backward()
    assert np.array_equal(a.grad.numpy(), B + 2 * A)
    assert np.array_equal(b.grad.numpy(), A)


def test_a_held_grad_does_not_change_when_more_is_accumulated():
    a = tracked(A)
    (a * 2).sum().backward()
    held, view = a.grad, a.grad.data
    (a * 3).sum().backward()
    assert held.numpy().tolist() == view.tolist() == [2, 2, 2]
    assert a.grad.numpy().tolist() == [5, 5, 5]


def test_backward_takes_the_outputs_gradient():
    a = tracked(A)
    (a * a).backward(B)
    assert np.array_equal(a.grad.numpy(), 2 * A * B)


def test_backward_fills_leaves_only():
    a = tracked(A)
    b = a * 2
    (b * b).sum().backward()
    assert b.grad is None and a.grad is not None


def test_backward_of_a_leaf_itself():
    x = tracked(3.0)
    x.backward()
    assert x.grad.item() == 1 and not x.grad.requires_grad


def test_backward_of_an_untracked_tensor_is_an_error():
    with pytest.raises(GradientError, match="not tracked"):
        Tensor(3.0).backward()


def test_backward_passes_over_leaves_that_are_gone():
    a = tracked(A)
    y = (a * tracked(B)).sum()
    y.backward()
    assert np.array_equal(a.grad.numpy(), B)


# Where paths meet


def test_one_tensor_as_both_operands():
    for function, expected in (
        (lambda x: x * x, 2 * A),
        (lambda x: x + x, 2 + 0 * A),
        (lambda x: x - x, 0 * A),
        (lambda x: x / x, 0 * A),
        (lambda x: mg.maximum(x, x), 1 + 0 * A),
        (lambda x: mg.concatenate([x, x, x]), 3 + 0 * A),
        (lambda x: x @ x, 2 * A),
    ):
        x = tracked(A)
        (g,) = mg.grad(mg.sum(function(x)), x)
        assert np.array_equal(g.numpy(), expected)


def test_equal_valued_leaves_are_kept_apart():
    a, b = tracked(A), tracked(A)
    g, h = mg.grad((a * 2 + b * 3).sum(), [a, b])
    assert values(g, h) == [[2, 2, 2], [3, 3, 3]]
    same = np.ones(3)
    a, b = tracked(same), tracked(same)
    (a * 2 + b * 3).sum().backward()
    assert values(a.grad, b.grad) == [[2, 2, 2], [3, 3, 3]]


def test_a_diamond_visits_each_node_once():
    calls = []
    top = primitive(lambda x: x * 2, lambda g: calls.append("top") or g * 2)
    x = tracked(A)
    y = top(x)
    left, right = y * 3, y * y
    (g,) = mg.grad((left * right).sum(), x)
    assert calls == ["top"]
    np.testing.assert_allclose(g.numpy(), 9 * (2 * A) ** 2 * 2, rtol=1e-15)


def test_many_diamonds_in_a_row_take_linear_time():
    x = tracked(1.0)
    y = x
    for _ in range(60):  # 2⁶⁰ paths
        y = y * 0.5 + y * 0.5
    (g,) = mg.grad(y, x)
    assert g.item() == 1


def test_paths_of_different_lengths_meet():
    x = tracked(A)
    y = x
    for _ in range(5):
        y = y + x * 1
    (g,) = mg.grad((y * x).sum(), x)
    np.testing.assert_allclose(g.numpy(), 12 * A, rtol=1e-15)


def test_a_zero_cotangent_gives_exact_zeros():
    a = tracked(A)
    y = mg.tanh(a) * mg.exp(a) + mg.softmax(a) / (a * a + 1)
    (g,) = mg.grad(y, a, np.zeros(3))
    assert g.numpy().tolist() == [0, 0, 0]


def test_broadcast_operands_get_sums():
    a, b, c = tracked(np.ones((4, 1))), tracked(A), tracked(2.0)
    g, h, k = mg.grad((a * b * c).sum(), [a, b, c])
    assert g.shape == (4, 1) and np.array_equal(g.numpy(), np.full((4, 1), 2 * A.sum()))
    assert h.shape == (3,) and np.array_equal(h.numpy(), [8, 8, 8])
    assert k.shape == () and k.item() == 4 * A.sum()


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ((), (2, 3)),
        ((1,), (3,)),
        ((3,), (2, 3)),
        ((2, 1), (2, 3)),
        ((1, 1), (2, 3)),
        ((2, 3), (2, 3)),
        ((1, 3), (4, 2, 3)),
        ((1,), (0,)),
        ((3,), (0, 3)),
        ((0,), (2, 0)),
        ((), ()),
    ],
)
def test_sum_to_and_broadcast_to_are_adjoint(small, large):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=small), rng.normal(size=large)
    spread, summed = broadcast_to(x, large).numpy(), sum_to(y, small).numpy()
    assert spread.shape == large and summed.shape == small
    np.testing.assert_allclose((spread * y).sum(), (x * summed).sum(), rtol=1e-13, atol=1e-14)
    check_gradients(lambda t: broadcast_to(t, large), [x], order=2, empty=True)
    check_gradients(lambda t: sum_to(t, small), [y], order=2, empty=True)


def test_tensors_of_size_0_have_gradients_of_size_0():
    x, w = tracked(np.ones((0, 3))), tracked(np.ones((3, 2)))
    y = mg.tanh(x @ w).sum()
    g, h = mg.grad(y, [x, w])
    assert g.shape == (0, 3) and np.array_equal(h.numpy(), np.zeros((3, 2)))


# Nothing is written to, nothing is shared


def every_array(tensors):
    return [t.data for t in tensors]


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_share_memory_with_nothing(create_graph):
    def functions():
        yield lambda a, b: a + b
        yield lambda a, b: a * b
        yield lambda a, b: a.reshape(3, 2).reshape(2, 3) + b.T.T
        yield lambda a, b: mg.concatenate([a, b])
        yield lambda a, b: mg.stack([a, a, b])
        yield lambda a, b: a[:, ::-1] - b
        yield lambda a, b: mg.flip(a) + mg.broadcast_to(b, (1, 2, 3))[0]
        yield lambda a, b: (a.astype(np.float64) + b).astype(np.float64)

    for function in functions():
        a, b = tracked(np.ones((2, 3))), tracked(np.full((2, 3), 2.0))
        y = function(a, b)
        seed = np.random.default_rng(0).normal(size=y.shape)
        kept = seed.copy()
        found = mg.grad([y, a], [a, b, y], [seed, np.ones((2, 3))], create_graph=create_graph)
        arrays = [*every_array(found), *every_array([a, b, y]), seed]
        for i, one in enumerate(arrays[:3]):
            for other in arrays[i + 1 :]:
                assert not share_memory(one, other)
        assert np.array_equal(seed, kept)
        assert (a.numpy() == 1).all() and (b.numpy() == 2).all()


def test_a_seed_that_is_a_view_is_not_returned():
    seed = np.arange(6.0)
    a = tracked(A)
    for view in (seed[::2], seed[:3], np.broadcast_to(seed[:1], (3,))):
        for wrapped in (view, Tensor(view).detach(), mg.as_tensor(view)):
            (g,) = mg.grad(a + 0, a, wrapped)
            assert not share_memory(g.data, seed)
            assert np.array_equal(g.numpy(), view)


def test_grads_of_leaves_share_no_memory():
    a, b = tracked(A), tracked(B)
    seed = np.ones(3)
    (a + b).backward(seed)
    assert not share_memory(a.grad.data, b.grad.data)
    assert not share_memory(a.grad.data, seed)


def test_a_gradient_does_not_change_with_its_leaf():
    a = tracked(A)
    (g,) = mg.grad((a * 2).sum(), a)
    before = g.numpy()
    a.assign(B)
    assert np.array_equal(g.numpy(), before)


# Only what is wanted


def explode(g):
    raise AssertionError("this gradient was not asked for")


def test_gradients_on_unwanted_paths_are_not_computed():
    bomb = primitive(lambda x: x * 1, explode)
    a, b = tracked(A), tracked(B)
    y = (a * 2 + bomb(b)).sum()
    assert values(*mg.grad(y, a)) == [[2, 2, 2]]


def test_gradients_below_an_input_are_not_computed():
    bomb = primitive(lambda x: x * 1, explode)
    a = tracked(A)
    b = bomb(a)
    (g,) = mg.grad((b * b).sum(), b)
    assert np.array_equal(g.numpy(), 2 * A)


def test_one_operands_function_is_not_called_for_another():
    left = primitive(lambda a, b: a * b, [lambda g, b: g * b, explode])
    a, b = tracked(A), tracked(B)
    assert np.array_equal(mg.grad(left(a, b).sum(), a)[0].numpy(), B)
    left(a, B).sum().backward()
    assert np.array_equal(a.grad.numpy(), B)


def test_a_failing_backward_leaves_gradient_mode_as_it_was():
    bomb = primitive(lambda x: x * 1, explode)
    a = tracked(A)
    with pytest.raises(AssertionError):
        mg.grad(bomb(a).sum(), a)
    assert (a * 2).requires_grad
    with pytest.raises(AssertionError):
        mg.grad(bomb(a).sum(), a, create_graph=True)
    a.numpy()  # no longer inside a backward


# no_grad


def test_no_grad_as_a_context():
    a = tracked(A)
    with mg.no_grad():
        assert not (a * 2).requires_grad
        with mg.no_grad():
            assert not (a * 2).requires_grad
        assert not (a * 2).requires_grad
    assert (a * 2).requires_grad


def test_no_grad_as_a_decorator():
    a = tracked(A)

    @mg.no_grad()
    def double(x, depth=2):
        return double(x, depth - 1) if depth else x * 2

    assert not double(a).requires_grad
    assert (a * 2).requires_grad
    assert not double(a).requires_grad


def test_no_grad_is_undone_by_an_exception():
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert (tracked(A) * 2).requires_grad


def in_threads(*targets):
    results = [None] * len(targets)

    def run(i):
        try:
            results[i] = targets[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(targets))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


def test_no_grad_does_not_reach_other_threads():
    a = tracked(A)
    with mg.no_grad():
        assert in_threads(lambda: (a * 2).requires_grad) == [True]


def test_a_no_grad_function_may_run_in_two_threads_at_once():
    first_in, second_in, first_out = (threading.Event() for _ in range(3))
    a = tracked(A)

    @mg.no_grad()
    def wait(mine, other):
        mine.set()
        other.wait(10)
        return (a * 2).requires_grad

    def first():
        inside = wait(first_in, second_in)
        first_out.set()
        return inside, (a * 2).requires_grad

    def second():
        first_in.wait(10)
        inside = wait(second_in, first_out)  # enters last, leaves last
        return inside, (a * 2).requires_grad

    assert in_threads(first, second) == [(False, True), (False, True)]


def test_two_threads_differentiate_their_own_graphs():
    def work(scale):
        x = tracked(A)
        for _ in range(50):
            (g,) = mg.grad((mg.tanh(x * scale) ** 2).sum(), x, create_graph=True)
            (h,) = mg.grad(g.sum(), x)
        return h.numpy().tolist()

    alone = [work(1.0), work(2.0)]
    assert in_threads(lambda: work(1.0), lambda: work(2.0)) == alone


# Freed graphs


def test_a_graph_is_freed_by_its_first_use():
    a = tracked(A)
    y = (a * a).sum()
    y.backward()
    with pytest.raises(GraphFreedError, match="primitive 'sum'.*retain_graph=True"):
        y.backward()
    with pytest.raises(GraphFreedError):
        mg.grad(y, a)


def test_a_retained_graph_can_be_used_again():
    a = tracked(A)
    y = (a * a).sum()
    first = mg.grad(y, a, retain_graph=True)
    again = mg.grad(y, a)
    assert values(*first) == values(*again) == [(2 * A).tolist()]


def test_create_graph_retains_unless_told_not_to():
    a = tracked(A)
    y = (a * a).sum()
    mg.grad(y, a, create_graph=True)
    mg.grad(y, a, create_graph=True, retain_graph=False)
    with pytest.raises(GraphFreedError):
        mg.grad(y, a)


def test_only_the_visited_part_is_freed():
    a, b = tracked(A), tracked(B)
    left, right = a * a, b * b
    mg.grad((left + right).sum(), a)
    assert values(*mg.grad(right.sum(), b)) == [(2 * B).tolist()]
    with pytest.raises(GraphFreedError):
        mg.grad(left.sum(), a)


# Stale arrays


def stale(make, **options):
    """Build a graph on x, assign to x, and go back."""
    x = tracked(np.array([[0.5, 1.5], [2.0, 3.0]]))
    y = make(x)
    x.assign(x.numpy() + 1)
    return mg.grad(y, x, np.ones(y.shape), **options)


returned = primitive(lambda x: x, lambda g, out: g * out, name="returned")
first = primitive(lambda *xs: xs[0], lambda g, out: [g * out, None], name="first")
flattened = primitive(lambda x: x.reshape(-1), lambda g, out: mg.reshape(g * out, (2, 2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x * x,
        lambda x: x * x.detach(),
        lambda x: mg.sin(x),
        lambda x: x.T * x.T,
        lambda x: mg.sin(x.reshape(-1)),
        lambda x: mg.sin(x[0]),
        lambda x: mg.sin(x[:, ::-1][0].reshape(2, 1)),
        lambda x: mg.sin(mg.broadcast_to(x, (3, 2, 2))),
        lambda x: x.sum() * x.detach().T[0],
        lambda x: x @ np.ones((2, 2)) @ x,
        lambda x: mg.sin(mg.split(x, 2)[1]),
        lambda x: mg.cos(x[0, 1:]),
        lambda x: mg.einsum("ij,ij->ij", x, np.ones((2, 2))),
        lambda x: mg.einsum("ij,ij->ij", np.ones((2, 2)), x),
        lambda x: returned(x),
        lambda x: first(x, x),
        lambda x: flattened(x),
    ],
)
def test_a_kept_array_that_was_assigned_to_is_an_error(make):
    for create_graph in (False, True):
        with pytest.raises(StaleTensorError, match="optimiser step or assign"):
            stale(make, create_graph=create_graph)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x + x,
        lambda x: x * 3,
        lambda x: mg.exp(x),  # keeps its own result
        lambda x: mg.relu(x),
        lambda x: mg.sin(x * 1),
        lambda x: mg.sin(x.T.astype(np.float64)),
        lambda x: mg.sin(mg.concatenate([x, x])),
        lambda x: mg.sin(x[[0, 1]]),  # an advanced index copies
        lambda x: x.T.reshape(-1) * np.arange(4.0),
        lambda x: x * Tensor(x.numpy()),
        lambda x: x @ np.ones((2, 3)),
        lambda x: mg.pad(x, 1),
        lambda x: x.mean(axis=0),
    ],
)
def test_fresh_arrays_are_no_false_alarm(make):
    x = tracked(np.array([[0.5, 1.5], [2.0, 3.0]]))
    y = make(x)
    (expected,) = mg.grad(y, x, np.ones(y.shape))
    (g,) = stale(make)
    assert np.array_equal(g.numpy(), expected.numpy())


def test_assigning_to_one_leaf_does_not_make_another_stale():
    a, b = tracked(A), tracked(B)
    y = (a * a + b).sum()
    b.assign(A)
    assert values(*mg.grad(y, a)) == [(2 * A).tolist()]


def test_an_assignment_before_the_forward_pass_is_no_matter():
    a = tracked(A)
    a.assign(B)
    assert values(*mg.grad((a * a).sum(), a)) == [(2 * B).tolist()]


def test_a_wanted_operand_alone_decides_what_is_stale():
    # a·b keeps both, but only b is needed for a's gradient, and only a was assigned to.
    a, b = tracked(A), tracked(B)
    y = (a * b).sum()
    a.assign(A + 1)
    assert values(*mg.grad(y, a, retain_graph=True)) == [B.tolist()]
    with pytest.raises(StaleTensorError):
        mg.grad(y, b)


@pytest.mark.parametrize(
    "taken",
    [
        lambda w: mg.split(w.data, 1)[0],
        lambda w: mg.flatten(w.data),
        lambda w: mg.to(w.data, "cpu"),
        lambda w: w.data,
    ],
)
def test_what_is_made_of_a_parameters_data_keeps_its_values(taken):
    w, x = tracked(A), tracked(B)
    y = (x.reshape(-1) * mg.reshape(taken(w), (-1,))).sum()
    w.assign(A + 1)
    assert values(*mg.grad(y, x)) == [A.tolist()]


def test_writing_through_a_detached_tensor_is_seen():
    a = tracked(A)
    y = (a * a).sum()
    a.detach().assign(B)
    with pytest.raises(StaleTensorError):
        y.backward()


# Size and memory


LONG = 100_000


def test_backward_through_a_long_chain():
    x = tracked(1.0)
    y = x
    for _ in range(LONG):
        y = y + 1.0
    (g,) = mg.grad(y, x)
    assert g.item() == 1


def test_a_long_chain_is_deleted_without_backward():
    x = tracked(1.0)
    y = x
    for _ in range(LONG):
        y = -y  # nothing kept
    z = x
    for _ in range(LONG // 10):
        z = mg.exp(z * 0.0)  # results kept
    y = z = None
    assert (x * 2).item() == 2


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


WORK = {
    "forward": lambda x: mg.tanh(x * x).sum(),
    "grad": lambda x: mg.grad(mg.tanh(x * x).sum(), x),
    "backward": lambda x: mg.tanh(x * x).sum().backward(),
    "second order": lambda x: mg.grad(mg.grad((x**3).sum(), x, create_graph=True)[0].sum(), x),
    "graph of a graph": lambda x: mg.grad((x**3).sum(), x, create_graph=True),
    "backward graph": lambda x: mg.exp(x * x).sum().backward(create_graph=True),
    "twin": lambda x: mg.grad(mg.normalize(x, 0).sum(), x, create_graph=True),
    "views": lambda x: mg.grad(x.reshape(3, 1).T[0].sum(), x, create_graph=True),
    "kept result": lambda x: mg.softmax(mg.exp(x)),
    "variadic": lambda x: mg.grad(mg.concatenate([x, x]).sum(), x, create_graph=True),
    "maximum": lambda x: mg.grad(mg.max(x) + mg.sigmoid(x).mean(), x, create_graph=True),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_graphs_make_no_reference_cycles(work, no_collector):
    work(tracked(A))  # once before, for what is made on first use
    gc.collect()
    result = work(tracked(A))
    del result
    assert gc.collect() == 0


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_arrays_die_with_their_last_user(work, no_collector):
    x = tracked(A)
    array = weakref.ref(x._array)
    result = work(x)
    del x, result
    assert array() is None


def test_errors_in_backward_leave_no_cycles(no_collector):
    bomb = primitive(lambda x: x * 1, explode)

    def work():
        x = tracked(A)
        try:
            mg.grad(bomb(x).sum(), x)
        except AssertionError:
            return weakref.ref(x._array)

    assert work()() is None


def test_kept_arrays_are_freed_as_backward_passes_them():
    alive = []
    refs = []

    def spy(g, x):
        alive.append([ref() is not None for ref in refs])
        return g

    watch = primitive(lambda x: x + 0, spy, name="watch")
    keep = primitive(lambda x: x + 0, lambda g, out: g)
    x = tracked(A)
    y = x
    for _ in range(3):
        y = keep(y)
        refs.append(weakref.ref(y._array))
        y = watch(y)
        refs.append(weakref.ref(y._array))
    y = y.sum()
    assert [ref() is not None for ref in refs] == [True, False] * 3
    y.backward()
    # ``watch`` keeps its operand, ``keep``'s result. The deepest is visited first.
    assert alive == [
        [True, False, True, False, True, False],
        [True, False, True, False, False, False],
        [True, False, False, False, False, False],
    ]


def test_what_backward_does_not_ask_for_is_not_kept():
    x = tracked(A)
    for function, operand_lives, result_lives in (
        (lambda t: t + t, False, False),
        (lambda t: mg.sum(t), False, False),
        (lambda t: t - 2.0, False, False),
        (mg.sin, True, False),
        (mg.exp, False, True),
        (lambda t: t.reshape(3, 1) - t.T, False, False),
    ):
        operand = x + 0
        result = function(operand)
        refs = weakref.ref(operand._array), weakref.ref(result._array)
        node = result._node
        del operand, result
        assert (refs[0]() is not None, refs[1]() is not None) == (operand_lives, result_lives)
        del node


def test_untracked_work_keeps_nothing():
    x = Tensor(A)
    hidden = mg.exp(x)
    array = weakref.ref(hidden._array)
    result = mg.sin(hidden)
    del hidden
    assert array() is None and result.shape == (3,)


# primitive


cube = primitive(lambda x: x**3, lambda g, x: 3 * x**2 * g, name="cube")


def test_a_primitive_of_one_operand_is_differentiable_to_any_order():
    check_gradients(cube, [A], order=2)
    x = tracked(A)
    assert cube(x).requires_grad and not cube(Tensor(A)).requires_grad
    assert isinstance(cube(A), Tensor) and cube(2).item() == 8


def test_one_function_per_operand():
    product = primitive(lambda a, b: a * b, [lambda g, b: g * b, lambda g, a: g * a])
    check_gradients(product, [A, B], order=2)


def test_a_joint_function_returns_one_gradient_per_operand():
    product = primitive(lambda a, b: a * b, lambda g, a, b: (g * b, g * a))
    check_gradients(product, [A, B], order=2)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_joint_function_may_leave_an_operand_out(create_graph):
    product = primitive(lambda a, b: a * b, lambda g, b: [g * b, None])
    a, b = tracked(A), tracked(B)
    y = product(a, b).sum()
    g, nothing = mg.grad(y, [a, b], create_graph=create_graph, allow_unused=True)
    assert np.array_equal(g.numpy(), B) and nothing is None


def test_settings_are_given_to_both_sides():
    affine = primitive(lambda x, /, scale, shift=1.0: x * scale + shift, lambda g, scale: g * scale)
    for call in (
        lambda x: affine(x, 3.0),
        lambda x: affine(x, scale=3.0),
        lambda x: affine(x, 3.0, 2.0),
        lambda x: affine(x, 3.0, shift=2.0),
    ):
        x = tracked(A)
        assert values(*mg.grad(call(x).sum(), x)) == [[3, 3, 3]]
    assert np.array_equal(affine(A, 3.0).numpy(), 3 * A + 1)
    assert np.array_equal(affine(A, shift=2.0, scale=3.0).numpy(), 3 * A + 2)


def test_positional_parameters_with_defaults_are_settings():
    scale = primitive(lambda x, by=2.0: x * by, lambda g, by: g * by)
    x = tracked(A)
    assert values(*mg.grad(scale(x).sum() + scale(x, 5.0).sum(), x)) == [[7, 7, 7]]


def test_operands_may_be_given_by_name():
    ratio = primitive(lambda a, b: a / b, lambda g, a, b: (g / b, -g * a / b**2), name="ratio")
    a, b = tracked(A), tracked(B)
    for y in (ratio(a, b=b), ratio(a=a, b=b), ratio(b=b, a=a)):
        assert np.array_equal(y.numpy(), A / B)
    assert np.array_equal(mg.tanh(x=a).numpy(), np.tanh(A))


def test_wrong_calls_are_type_errors():
    scale = primitive(lambda x, /, by=2.0: x * by, lambda g, by: g * by, name="scale")
    for call in (
        lambda: scale(),
        lambda: scale(A, 1.0, 2.0),
        lambda: scale(A, to=3.0),
        lambda: scale(A, 2.0, by=3.0),
        lambda: mg.multiply(A),
        lambda: mg.multiply(A, B, A),
    ):
        with pytest.raises(TypeError):
            call()


def test_a_setting_given_twice_is_named():
    with pytest.raises(TypeError, match="slope"):
        mg.leaky_relu(A, 0.2, slope=0.5)


def test_extras_reach_the_backward():
    # The winner's place: an integer, constant but at ties, so second order is right without it.
    def forward(x):
        k = int(x.argmax())
        return x[k], k

    def backward(g, x_shape, k):
        return g * np.eye(x_shape[0])[k]

    top = primitive(forward, backward, extras=["k"], name="top")
    check_gradients(lambda x: top(x * x), [A], order=2)
    x = tracked(A)
    assert values(*mg.grad(top(x), x)) == [[0, 0, 1]]


def test_an_extra_is_kept_only_for_a_backward_that_asks_for_it():
    calls = []
    both = primitive(
        lambda a, b, /: (a * b, [a.size]),
        (lambda g, b: g * b, lambda g, a: g * a),
        plain=True,
        at_once=lambda g, a, b, size: (calls.append(size), (g * b, g * a))[1],
        extras=["size"],
        name="both",
    )
    a, b = Tensor(np.ones(3), requires_grad=True), Tensor(np.ones(3), requires_grad=True)
    assert both(a, b)._node.kept["size"] == [3]
    assert "size" not in both(a, np.ones(3))._node.kept
    mg.grad(both(a, b).sum(), [a, b])
    assert calls == [[3]]


def test_extras_of_floats_are_refused_at_second_order():
    # cos x off the tape: sin″ would come out as nothing at all.
    sine = primitive(
        lambda x: (np.sin(x), np.cos(x)), lambda g, c: g * c, extras=["c"], name="sine"
    )
    check_gradients(sine, [A])
    x = tracked(A)
    with pytest.raises(NotTwiceDifferentiableError, match="'sine'.*'c'"):
        mg.grad((sine(x) + x**3).sum(), x, create_graph=True)


def test_extras_of_floats_with_a_twin_have_a_second_order():
    sine = primitive(
        lambda x: (np.sin(x), np.cos(x)), lambda g, c: g * c, extras=["c"], composed=mg.sin
    )
    check_gradients(sine, [A], order=2)


def test_out_is_on_the_tape():
    softly = primitive(lambda x: np.tanh(x), lambda g, out: g * (1 - out * out))
    check_gradients(softly, [A], order=2)


def test_an_operands_shape_can_be_had_without_its_values():
    kept = []
    total = primitive(
        lambda x: x.sum(), lambda g, x_shape: kept.append(x_shape) or broadcast_to(g, x_shape)
    )
    x = tracked(np.ones((2, 3)))
    hidden = x + 0
    array = weakref.ref(hidden._array)
    y = total(hidden)
    del hidden
    assert array() is None
    y.backward()
    assert kept == [(2, 3)] and np.array_equal(x.grad.numpy(), np.ones((2, 3)))


def test_variadic_primitives():
    product = primitive(
        lambda *xs: functools.reduce(np.multiply, xs),
        lambda g, xs: [
            functools.reduce(mg.multiply, xs[:i] + xs[i + 1 :], g) for i in range(len(xs))
        ],
        name="product",
    )
    check_gradients(product, [A, B, A + 1], order=2)
    x = tracked(A)
    np.testing.assert_allclose(mg.grad(product(x, x, x).sum(), x)[0].numpy(), 3 * A**2, rtol=1e-15)


def test_variadic_shapes_and_settings():
    join = primitive(
        lambda *xs, axis=0: np.concatenate(xs, axis),
        lambda g, xs_shape, axis: mg.split(g, np.cumsum([s[axis] for s in xs_shape])[:-1], axis),
    )
    check_gradients(lambda a, b: join(a, b, axis=1), [np.ones((2, 1)), np.ones((2, 3))], order=2)


def test_a_variadic_primitive_may_ask_for_its_result():
    product = primitive(lambda *xs: xs[0] * xs[1], lambda g, out: [g * out, g - out])
    a, b = tracked(A), tracked(B)
    on_a, on_b = mg.grad(product(a, b).sum(), [a, b])
    assert np.array_equal(on_a.numpy(), A * B) and np.array_equal(on_b.numpy(), 1 - A * B)


def test_a_variadic_primitive_takes_one_joint_backward_only():
    with pytest.raises(TypeError, match="any number of operands"):
        primitive(lambda *xs: sum(xs), [lambda g: g])


def test_a_wrong_number_of_gradients_is_an_error():
    bad = primitive(lambda a, b: a * b, lambda g, b: g * b, name="bad")
    with pytest.raises(GradientError, match="'bad': backward returned 1 gradients for 2 operands"):
        bad(tracked(A), B).sum().backward()
    with pytest.raises(TypeError, match=r"'bad': got 1 backward functions for 2 operands"):
        primitive(lambda a, b: a * b, [lambda g, b: g * b], name="bad")


def test_a_gradient_of_a_wrong_shape_is_an_error():
    bad = primitive(lambda a, b: a * b, lambda g, a, b: (g * b, g), name="bad")
    with pytest.raises(GradientError, match=r"'bad'.*shape \(2, 3\) for operand 'b' of shape \(3,"):
        bad(np.ones((2, 3)), tracked(A)).sum().backward()
    bad = primitive(lambda *xs: xs[0] * 1, lambda g, xs: [g, g.sum()], name="bad")
    with pytest.raises(GradientError, match=r"'bad'.*operand 'xs\[1\]'"):
        bad(A, tracked(B)).sum().backward()


def test_broadcasts_sums_gradients_to_their_operands_shape():
    times = primitive(lambda a, b: a * b, lambda g, a, b: (g * b, g * a), broadcasts=True)
    check_gradients(times, [np.ones((4, 1)) * 0.5, A], order=2)
    check_gradients(times, [np.array(0.7), A.reshape(1, 3)], order=2)


def test_broadcasts_does_not_hide_a_gradient_that_could_not_be_summed():
    bad = primitive(lambda a: a * 2, lambda g: g.sum(), broadcasts=True, name="bad")
    with pytest.raises(GradientError, match=r"'bad'.*shape \(\) for operand 'a' of shape \(3,\)"):
        bad(tracked(A)).sum().backward()
    bad = primitive(lambda a: a * 2, lambda g: g[:2], broadcasts=True, name="bad")
    with pytest.raises(GradientError, match=r"'bad'.*shape \(2,\) for operand 'a' of shape \(3,\)"):
        bad(tracked(A)).sum().backward()
    # As many elements, so that a mere reshape would go through.
    bad = primitive(lambda a: a * 2, lambda g: g.T, broadcasts=True, name="bad")
    with pytest.raises(GradientError, match=r"'bad'.*shape \(3, 2\) for operand 'a'"):
        bad(tracked(np.ones((2, 3)))).sum().backward()


@pytest.mark.parametrize("name", ["z", "out_shape", "xshape"])
def test_a_backward_that_asks_for_an_unknown_name_is_refused_when_made(name):
    backward = eval(f"lambda g, {name}: g")
    with pytest.raises(TypeError, match=f"'odd': backward asks for .*{name}.*only .*'x_shape'"):
        primitive(lambda x: x, backward, name="odd")


def test_a_gradient_of_another_dtype_is_cast():
    wide = primitive(lambda x: x * 2, lambda g: g * np.array([2.0, 2.0, 2.0]))
    x = tracked(A, np.float32)
    (g,) = mg.grad(wide(x).sum(), x)
    assert g.dtype == np.float32 and values(g) == [[2, 2, 2]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_forward_that_widens_is_narrowed(dtype):
    wide = primitive(lambda x: 2 * x.astype(np.float64), lambda g: 2 * g)
    assert wide(tracked(A, dtype)).dtype == dtype
    counted = primitive(lambda x: (x > 0).sum(), lambda g, x_shape: broadcast_to(g * 0, x_shape))
    assert counted(tracked(A, dtype)).dtype == dtype


def test_an_error_in_the_forward_names_the_primitive():
    with pytest.raises(ValueError, match="multiply: .*broadcast"):
        mg.multiply(A, np.ones(2))


def test_masks_reach_a_backward_as_masks():
    seen = []
    gate = primitive(
        lambda x, m: np.where(m, x, 0),
        [lambda g, m: seen.append(m.dtype) or g * (1 - (1 - m)), None],
    )
    x = tracked(A, np.float32)
    (g,) = mg.grad(gate(x, np.array([True, False, True])).sum(), x)
    assert values(g) == [[1, 0, 1]] and g.dtype == np.float32 and seen == [bool]


def test_a_primitive_keeps_its_name_and_docstring():
    def squared(x):
        """x²."""
        return x * x

    assert primitive(squared, lambda g, x: 2 * g * x).__doc__ == "x²."
    assert primitive(squared, lambda g, x: 2 * g * x).__name__ == "squared"
    assert primitive(squared, lambda g, x: 2 * g * x, name="sq").__name__ == "sq"


# Backwards that leave the tape


def second_order(function, at=A):
    x = tracked(at)
    # The second term has a second derivative of its own, which a silent loss would return.
    (g,) = mg.grad((function(x) + x**3).sum(), x, create_graph=True)
    return mg.grad(g.sum(), x)


OFF_THE_TAPE = {
    "plain array": lambda g, x: 2 * x.numpy() * g.numpy(),
    "numpy": lambda g, x: 2 * x.numpy() * g,
    "data": lambda g, x: 2 * x.data * g,
    "g's data": lambda g, x: 2 * x * g.data,
    "asarray": lambda g, x: g * np.asarray(x) * 2,
    "Tensor": lambda g, x: g * Tensor(x) * 2,
    "item": lambda g, x: g * Tensor([2 * x[i].item() for i in range(3)]),
    "float": lambda g, x: g * [2 * float(e) for e in x],
}


@pytest.mark.parametrize("backward", OFF_THE_TAPE.values(), ids=OFF_THE_TAPE)
def test_a_backward_off_the_tape_works_at_first_order_only(backward):
    square = primitive(lambda x: x * x, backward, name="square")
    check_gradients(square, [A])
    with pytest.raises(NotTwiceDifferentiableError, match="primitive 'square'"):
        second_order(square)


def test_arrays_that_backward_made_off_the_tape_are_named_by_operand():
    square = primitive(lambda x: x * x, lambda g, x: 2 * x._array * g._array, name="square")
    check_gradients(square, [A])
    with pytest.raises(NotTwiceDifferentiableError, match="'square': the gradient of 'x'"):
        second_order(square)


def test_leaving_the_tape_counts_through_intermediate_tensors_too():
    square = primitive(lambda x: x * x, lambda g, x: (2 * x * g).numpy(), name="square")
    with pytest.raises(NotTwiceDifferentiableError, match="'square'"):
        second_order(lambda x: square(x * 1) * 2)


def test_plain_values_that_do_not_depend_on_the_operands_are_allowed():
    # Linear functions: their backward uses constants, shapes and settings only.
    weights = primitive(lambda x: x * to_device(B, device_of(x)), lambda g: g * B)
    np.testing.assert_allclose(second_order(weights)[0].numpy(), 6 * A)
    masked = primitive(lambda x: np.where(x > 0, x, 0), lambda g, x: g * (x > 0))
    np.testing.assert_allclose(second_order(masked)[0].numpy(), 6 * A)


def test_a_zero_gradient_may_be_plain():
    stop = primitive(lambda x: np.sign(x), lambda g, x_shape: np.zeros(x_shape))
    np.testing.assert_allclose(second_order(stop)[0].numpy(), 6 * A)


def test_a_plain_gradient_that_is_zero_in_places_is_not_allowed():
    square = primitive(lambda x: x * x, lambda g, x: 2 * x._array * g._array, name="square")
    x = tracked([0.0, 1.0])
    with pytest.raises(NotTwiceDifferentiableError, match="'square': the gradient of 'x'"):
        mg.grad(square(x).sum(), x, create_graph=True)


def test_values_may_be_looked_at_again_after_a_backward():
    x = tracked(A)
    (g,) = mg.grad((x**3).sum(), x, create_graph=True)
    assert g.numpy().shape == x.data.shape


# Twins


def twin_of_square(calls):
    def composed(x, scale):
        calls.append("composed")
        return x * x * scale

    def backward(g, x, scale):
        calls.append("backward")
        return 2 * x.numpy() * g.numpy() * scale

    forward = lambda x, /, scale=1.0: x * x * scale  # noqa: E731
    return primitive(forward, backward, composed=composed, name="square")


def test_a_twin_is_used_when_a_graph_is_wanted_and_only_then():
    calls = []
    square = twin_of_square(calls)
    x = tracked(A)
    mg.grad(square(x, 3.0).sum(), x)
    assert calls == ["backward"]
    calls.clear()
    (g,) = mg.grad(square(x, 3.0).sum(), x, create_graph=True)
    assert calls == ["composed"]
    (h,) = mg.grad(g.sum(), x)
    assert calls == ["composed"]
    assert np.array_equal(g.numpy(), 6 * A) and np.array_equal(h.numpy(), [6, 6, 6])


def test_a_twin_is_differentiable_to_third_order():
    power = primitive(
        lambda x: x**4, lambda g, x: 4 * x.numpy() ** 3 * g.numpy(), composed=lambda x: x**4
    )
    check_gradients(power, [A], order=2)
    x = tracked(A)
    y = power(x).sum()
    for expected in (4 * A**3, 12 * A**2, 24 * A):
        (g,) = mg.grad(y, x, create_graph=True)
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-14)
        y = g.sum()


def test_a_twin_of_one_tensor_used_twice():
    product = primitive(
        lambda a, b: a * b,
        lambda g, a, b: (g.numpy() * b.numpy(), g.numpy() * a.numpy()),
        composed=lambda a, b: a * b,
    )
    x = tracked(A)
    (g,) = mg.grad(product(x, x).sum(), x, create_graph=True)
    (h,) = mg.grad((g * B).sum(), x)
    assert np.array_equal(g.numpy(), 2 * A) and np.array_equal(h.numpy(), 2 * B)
    check_gradients(product, [A, B], order=2)


def test_a_twin_may_leave_an_operand_out():
    twice = primitive(
        lambda a, b: 2 * a, lambda g: (2 * g.numpy(), None), composed=lambda a, b: 2 * a
    )
    a, b = tracked(A), tracked(B)
    g, nothing = mg.grad(twice(a, b).sum(), [a, b], create_graph=True, allow_unused=True)
    assert np.array_equal(g.numpy(), [2, 2, 2]) and nothing is None


def test_a_twin_notices_stale_operands():
    square = twin_of_square([])
    x = tracked(A)
    y = square(x).sum()
    x.assign(B)
    with pytest.raises(StaleTensorError, match="'square'"):
        mg.grad(y, x, create_graph=True)


def test_only_what_a_tracked_operand_needs_is_kept():
    x = Tensor(np.ones(3), requires_grad=True)
    constant = Tensor(np.ones(3))
    assert (x * constant)._node.kept.keys() == {"b"}  # ∂(x·c)/∂x = c: x itself isn't needed
    assert (x * x)._node.kept.keys() == {"a", "b"}
    assert (x + constant)._node.kept == {}


def test_a_read_only_view_of_a_parameter_is_copied_as_a_constant():
    x = Tensor(np.ones(2), requires_grad=True)
    parameter = Tensor(np.array([2.0, 3.0]))
    y = (x * parameter.data).sum()
    parameter.assign([5.0, 7.0])
    assert mg.grad(y, x)[0].numpy().tolist() == [2, 3]


def test_a_forward_that_does_not_tell_its_parameters_is_refused():
    with pytest.raises(TypeError, match="wrap it in a"):
        mg.primitive(max, lambda g: g)


@pytest.mark.parametrize("off", [lambda x: x.detach(), "no_grad"], ids=["detach", "no_grad"])
def test_a_backward_that_stops_tracking_raises_at_second_order(off):
    def backward(g, x):
        if off == "no_grad":
            with mg.no_grad():
                slope = 3 * x**2
        else:
            slope = 3 * off(x) ** 2
        return g * slope

    cube = primitive(lambda x: x**3, backward, name="cube")
    x = Tensor(1.3, requires_grad=True)
    assert mg.grad(cube(x), x)[0].item() == pytest.approx(3 * 1.3**2, rel=1e-12)
    with pytest.raises(NotTwiceDifferentiableError, match="cube"):
        mg.grad(cube(x), x, create_graph=True)


@pytest.mark.parametrize("result", [None, [1.0]])
def test_a_forward_that_returns_no_array_is_named(result):
    with pytest.raises(TypeError, match="odd: forward returned"):
        primitive(lambda x: result, lambda g: g, name="odd")(np.ones(1))


# Backward functions on plain arrays


@pytest.mark.parametrize("plain", [False, True])
def test_a_plain_backward_gets_arrays_where_nothing_is_recorded(plain):
    seen = []
    square = mg.primitive(
        lambda x: x * x, lambda g, x: seen.append(isinstance(g, Tensor)) or 2.0 * x * g, plain=plain
    )
    a = tracked(A)
    (g,) = mg.grad(square(a), a, B)
    (h,) = mg.grad(square(a), a, B, create_graph=True)
    assert np.array_equal(g.numpy(), 2 * A * B) and np.array_equal(h.numpy(), 2 * A * B)
    assert seen == [not plain, True]
    (second,) = mg.grad(h.sum(), a)
    assert np.array_equal(second.numpy(), 2 * B)


@pytest.mark.cpu_only("memory of the CPU goes round")
def test_a_plain_backward_of_a_large_gradient_gets_tensors_whose_memory_goes_round():
    seen = []
    square = mg.primitive(
        lambda x: x * x, lambda g, x: seen.append(type(g)) or 2.0 * x * g, plain=True
    )
    a = tracked(np.ones(SMALLEST // 8 + 1))
    with mg.Buffers().in_use():
        mg.grad(square(a).sum(), a)
    mg.grad(square(a).sum(), a)
    assert seen == [Tensor, np.ndarray]


def test_a_primitive_makes_tensors_of_arrays_outside_a_plain_backward():
    inside = []
    look = mg.primitive(lambda x: x + 0, lambda g: inside.append(mg.exp(g._array)) or g)
    a = tracked(A)
    mg.grad(look(a), a, B)
    assert [type(y) for y in (mg.exp(A), *inside)] == [Tensor, Tensor]


@pytest.mark.parametrize(
    "call",
    [
        lambda f, g, x: f(a=g, b=x),
        lambda f, g, x: f(g, b=x),
        lambda f, g, x: f(g, x, 2.0),
        lambda f, g, x: f(g, x, k=2.0),
    ],
)
def test_a_primitive_is_called_with_arrays_as_with_tensors(call):
    scaled = primitive(
        lambda a, b, /, *, k=2.0: k * a * b, lambda g, a, b, k: (k * g * b, k * g * a), plain=True
    )
    seen = []

    def backward(g, x):
        seen.append(call(scaled, g, x))
        return seen[-1]

    square = primitive(lambda x, /: x * x, backward, plain=True)
    x = tracked(A)
    (g,) = mg.grad(square(x), x, B)
    (h,) = mg.grad(square(x), x, B, create_graph=True)
    assert np.array_equal(g.numpy(), 2 * A * B) and np.array_equal(h.numpy(), 2 * A * B)
    assert [type(one) for one in seen] == [np.ndarray, Tensor]


def test_gradients_that_plain_backward_functions_return_are_fitted():
    # Of another dtype, a Python number, a NumPy number, and of a shape that broadcasts.
    a, b = tracked(np.float32(A)), tracked(np.float32(3))
    for f in (
        lambda g, x: g.astype(np.float64) * 2,
        lambda g, x: mg.multiply(g, 2.0),
    ):
        y = mg.primitive(lambda x: 2 * x, f, plain=True)(a)
        (g,) = mg.grad(y, a, np.float32(B))
        assert g.dtype == np.float32 and np.array_equal(g.numpy(), np.float32(2 * B))
    (g,) = mg.grad(mg.primitive(lambda x: 2 * x, lambda g: 2.0, plain=True)(b), b)
    assert g.dtype == np.float32 and g.item() == 2
    (g,) = mg.grad(a * b, b, np.float32(B))
    assert g.shape == () and np.isclose(g.item(), np.sum(A * B))
    wrong = mg.primitive(lambda x: 2 * x, lambda g: g[:1], plain=True)
    with pytest.raises(GradientError, match="gradient of shape"):
        mg.grad(wrong(a), a, np.float32(B))


def product_with(at_once):
    return mg.primitive(
        lambda a, b: a * b, [lambda g, b: g * b, lambda g, a: g * a], plain=True, at_once=at_once
    )


def test_gradients_at_once_are_for_all_operands_and_no_record():
    calls = []

    def at_once(g, a, b):
        calls.append(isinstance(g, Tensor))
        return g * b, g * a

    times, a, b = product_with(at_once), tracked(A), tracked(B)
    for given, asked, count in (
        ((a, b), [a, b], 1),
        ((a, b), [a], 0),
        ((a, b), [b], 0),
        ((a, B), [a], 0),
        ((a, a), [a], 1),
    ):
        found = mg.grad(times(*given).sum(), asked)
        expected = mg.grad((given[0] * given[1]).sum(), asked)
        assert values(*found) == values(*expected)
        assert calls == [False] * count
        calls.clear()
    found = mg.grad(times(a, b).sum(), [a, b], create_graph=True)
    assert values(*found) == [B.tolist(), A.tolist()] and not calls
    with mg.Buffers().in_use():  # large gradients too, as no operator is in it
        big = tracked(np.ones(1 << 13)), tracked(np.ones(1 << 13))
        mg.grad(times(*big).sum(), big)
    assert calls == [False]


def test_gradients_at_once_must_be_one_for_each_operand():
    a, b = tracked(A), tracked(B)
    with pytest.raises(GradientError, match="returned 1 gradients for 2 operands"):
        mg.grad(product_with(lambda g, a, b: g)(a, b).sum(), [a, b])


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("at_once", [None, lambda g, a, b: (g * b, g * a)])
def test_an_outer_backward_is_run_once_and_first(at_once, create_graph):
    """y = exp(ab), as exp of a product: the operands' rules are given the product's gradient."""
    calls = []

    def outer(g, out):
        calls.append(type(g))
        return g * out

    rules = [lambda g, b: g * b, lambda g, a: g * a]
    product = mg.primitive(
        lambda a, b: np.exp(a * b), rules, plain=True, outer=outer, at_once=at_once
    )
    a, b = tracked(A), tracked(B)
    for asked in ([a, b], [a], [b]):
        found = mg.grad(product(a, b).sum(), asked, create_graph=create_graph)
        expected = mg.grad(mg.exp(a * b).sum(), asked)
        np.testing.assert_allclose(values(*found), values(*expected), rtol=1e-6)
        assert len(calls) == 1
        calls.clear()
    assert product(a, B)._node.kept.keys() == {"b", "out"}
    check_gradients(product, [A, B], order=2)


def test_what_gradients_at_once_need_is_kept_only_where_they_can_be_used():
    forward = lambda a, b: a + b  # noqa: E731
    rules = [lambda g: g, lambda g: g]
    plus = mg.primitive(forward, rules, plain=True, at_once=lambda g, a, b: (g + 0 * a, g + 0 * b))
    a, b = tracked(A), tracked(B)
    assert plus(a, b)._node.kept.keys() == {"a", "b"}
    assert plus(a, B)._node.kept == {}
