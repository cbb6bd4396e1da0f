"""Tensor: what it holds, how it meets NumPy and Python, and that no edge changes its dtype."""

import copy
import pickle

import numpy as np
import pytest
from properties import plain, share_memory

import minigan as mg
from minigan import Tensor
from minigan.backend import is_array
from minigan.errors import GradientError, NotTwiceDifferentiableError
from minigan.tensor import as_tensor

FLOATS = (np.float16, np.float32, np.float64)


def tracked(values, dtype=None):
    return Tensor(values, requires_grad=True, dtype=dtype)


# Making one


def test_construction_copies_arrays_and_tensors():
    array = np.ones(3)
    a = Tensor(array)
    b = Tensor(a)
    array[0] = 7
    a.assign([8, 8, 8])
    assert a.numpy().tolist() == [8, 8, 8]
    assert b.numpy().tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_keep_their_dtype(dtype):
    assert Tensor(np.ones(2, dtype)).dtype == dtype
    assert Tensor(dtype(1)).dtype == dtype
    assert Tensor([1, 2], dtype=dtype).dtype == dtype


@pytest.mark.parametrize("data", [3, True, [1, 2], np.uint8([255]), np.array([True, False])])
def test_integers_and_booleans_become_float64(data):
    t = Tensor(data)
    assert t.dtype == np.float64
    assert np.array_equal(t.numpy(), np.asarray(data))


@pytest.mark.parametrize(
    "data",
    [1j, np.ones(2, complex), "text", None, object(), [[1], [1, 2]], np.ones(2, np.longdouble)],
)
def test_data_that_is_not_real_numbers_is_refused(data):
    with pytest.raises(TypeError, match="data"):
        Tensor(data)


@pytest.mark.parametrize("dtype", [int, bool, complex, object])
def test_dtypes_other_than_the_three_floats_are_refused(dtype):
    with pytest.raises(TypeError, match="wanted float16, float32 or float64"):
        Tensor([1.0], dtype=dtype)


def test_construction_from_a_tracked_tensor_is_untracked():
    assert not Tensor(tracked([1.0]) * 2).requires_grad


def test_the_array_is_in_c_order():
    assert Tensor(np.asfortranarray(np.ones((3, 4)))).data.flags.c_contiguous


@pytest.mark.cpu_only("what is on the CPU is copied to a GPU")
def test_as_tensor_does_not_copy_what_need_not_be():
    array, t = np.ones(3, np.float32), Tensor([1.0])
    assert as_tensor(t) is t
    assert np.shares_memory(as_tensor(array).data, array)
    assert as_tensor([1, 2]).dtype == np.float64


@pytest.mark.cpu_only("says which device it is on")
def test_shape_facts():
    t = Tensor(np.zeros((2, 3), np.float32))
    facts = (t.shape, t.ndim, t.size, t.dtype, t.device, len(t))
    assert facts == ((2, 3), 2, 6, np.dtype("float32"), "cpu", 2)


# Tracking


def test_leaves_and_computed_tensors():
    x, constant = tracked([1.0]), Tensor([1.0])
    assert x.is_leaf and x.requires_grad
    assert constant.is_leaf and not constant.requires_grad
    assert not (x * 2).is_leaf and (x * 2).requires_grad
    assert (constant * 2).is_leaf and not (constant * 2).requires_grad


def test_requires_grad_can_be_switched_on_a_leaf_only():
    t = Tensor([2.0])
    t.requires_grad = True
    (t * t).backward()
    assert t.grad.item() == 4
    t.requires_grad = False
    assert not (t * t).requires_grad
    with pytest.raises(GradientError, match="leaf"):
        (tracked([1.0]) * 2).requires_grad = False


def test_setting_requires_grad_again_keeps_the_graph():
    x = tracked([2.0])
    y = x * x
    x.requires_grad = True
    y.backward()
    assert x.grad.item() == 4


def test_detach_is_untracked_and_shares_the_array():
    x = tracked([1.0, 2.0])
    d = x.detach()
    assert not d.requires_grad
    x.assign([3.0, 4.0])
    assert d.numpy().tolist() == [3, 4]
    y = x * d
    (g,) = mg.grad(y.sum(), x)
    assert g.numpy().tolist() == [3, 4]  # d counts as a constant


def test_assign_writes_in_place_and_keeps_dtype():
    x = tracked(np.zeros(2), np.float32)
    view = x.data
    x.assign(Tensor([1.0, 2.0]))
    assert view.tolist() == [1, 2] and x.dtype == np.float32


@pytest.mark.parametrize("value", [1.0, [1.0], [[1.0, 2.0]], np.ones(3)])
def test_assign_wants_the_very_shape(value):
    with pytest.raises(ValueError, match=r"assign: got shape .*, wanted \(2,\)"):
        tracked([1.0, 2.0]).assign(value)


def test_assign_to_a_computed_tensor_is_refused():
    for computed in (tracked([1.0]) * 2, Tensor([1.0]) * 2):
        with pytest.raises(GradientError, match="leaf"):
            computed.assign([3.0])


# Its values


@pytest.mark.cpu_only("nothing on a GPU is read-only")
def test_data_is_a_read_only_view():
    x = tracked([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 5
    with pytest.raises(AttributeError):
        x.data = np.zeros(2)
    x.assign([3.0, 4.0])
    assert x.data.tolist() == [3, 4]


def test_numpy_is_an_independent_writable_copy():
    x = tracked([1.0, 2.0])
    values = x.numpy()
    values[0] = 5
    assert x.data.tolist() == [1, 2]
    assert x.numpy() is not x.numpy()


def test_item_and_float_need_one_element():
    assert Tensor([[2.5]]).item() == float(Tensor(2.5)) == 2.5
    assert type(Tensor(np.float16(2.5)).item()) is float
    for take in (Tensor.item, float):
        with pytest.raises(ValueError, match="one element"):
            take(Tensor([1.0, 2.0]))


def test_truth_needs_one_element():
    assert Tensor([2.0]) and not Tensor(0.0)
    for data in ([1.0, 2.0], []):
        with pytest.raises(ValueError, match="ambiguous"):
            bool(Tensor(data))


# NumPy's protocols

X = np.array([[0.3, -0.7], [1.1, 0.2]])
UNARY = [
    np.negative,
    np.square,
    np.absolute,
    np.sign,
    np.exp,
    np.expm1,
    np.sin,
    np.cos,
    np.tanh,
    np.sum,
    np.mean,
    np.var,
    np.max,
    np.min,
    np.transpose,
    np.flip,
    lambda x: np.log(x + 2),
    lambda x: np.log1p(x + 2),
    lambda x: np.sqrt(x + 2),
    lambda x: np.power(x + 2, 3),
    lambda x: np.sum(x, axis=0, keepdims=True),
    lambda x: np.where(X > 0, x, 2.0),
    lambda x: np.clip(x, -0.5, 0.5),
    lambda x: np.einsum("ij,jk->ik", x, X),
    lambda x: np.reshape(x, (4,)),
    lambda x: np.broadcast_to(x, (3, 2, 2)),
    lambda x: np.concatenate([x, X], axis=1),
    lambda x: np.stack([x, X]),
    lambda x: np.split(x, 2)[1],
    lambda x: np.pad(x, 1),
    lambda x: np.roll(x, 1, axis=0),
    lambda x: np.take(x, [1, 1, 0], axis=0),
    lambda x: X @ x,
    lambda x: x @ X,
    lambda x: X + x,
    lambda x: X - x,
    lambda x: X * x,
    lambda x: X / (x + 2),
    lambda x: (X + 2) ** x,
    lambda x: np.maximum(X.T, x),
    lambda x: np.minimum(x, X.T),
    lambda x: np.float64(2) * x,
]


@pytest.mark.parametrize("function", UNARY)
def test_numpy_functions_give_tracked_tensors_of_the_same_values(function):
    t = tracked(X)
    result = function(t)
    assert isinstance(result, Tensor) and result.requires_grad
    np.testing.assert_allclose(result.numpy(), function(X), rtol=1e-14)
    (g,) = mg.grad(result, t, np.ones(result.shape))
    assert g.shape == X.shape


def test_numpy_gradient_flows_through_a_mixed_expression():
    t = tracked(X)
    (g,) = mg.grad(np.sum(np.tanh(X @ t)), t)
    expected = X.T @ (1 - np.tanh(X @ X) ** 2)
    np.testing.assert_allclose(g.numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.arctan2(t, t),
        lambda t: np.floor(t),
        lambda t: np.add.reduce(t),
        lambda t: np.multiply.outer(t, t),
        lambda t: np.linalg.norm(t),
        lambda t: np.median(t),
        lambda t: np.tanh(t, out=np.empty(2)),
        lambda t: np.add(np.ones(2), t, out=np.empty(2)),
        lambda t: np.exp(t, where=np.array([True, False])),
        lambda t: np.sum(t, out=np.empty(())),
        lambda t: np.concatenate([t, t], out=np.empty(4)),
    ],
)
@pytest.mark.parametrize("requires_grad", [True, False])
def test_numpy_calls_that_are_not_defined_raise_type_error(call, requires_grad):
    with pytest.raises(TypeError):
        call(Tensor([1.0, 2.0], requires_grad=requires_grad))


def test_an_undefined_numpy_function_is_named():
    with pytest.raises(TypeError, match=r"numpy\.arctan2 is not defined.*\.numpy\(\)"):
        np.arctan2(tracked([1.0]), 1.0)
    with pytest.raises(TypeError, match=r"numpy\.median is not defined.*\.numpy\(\)"):
        np.median(tracked([1.0]))


def test_array_plus_equals_tensor_raises_and_leaves_the_array():
    array = np.ones(2)
    with pytest.raises(TypeError, match=r"numpy\.add with out"):
        array += tracked([1.0, 2.0])
    assert array.tolist() == [1, 1]


def test_a_tracked_tensor_does_not_turn_into_an_array():
    x = tracked([1.0, 2.0])
    array = np.zeros(2)
    for convert in (
        lambda: np.asarray(x),
        lambda: np.array(x * 2),
        lambda: np.array([x, x]),
        lambda: array.__setitem__(slice(None), x),
        lambda: np.asarray(x, dtype=np.float32),
    ):
        with pytest.raises(TypeError, match=r"\.numpy\(\)"):
            convert()


def test_an_untracked_tensor_turns_into_an_array():
    x = Tensor([1.0, 2.0])
    assert np.asarray(x).tolist() == [1, 2]
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    converted = np.array(x)
    converted[0] = 9
    assert x.numpy().tolist() == [1, 2]


def test_under_no_grad_a_tracked_tensor_turns_into_an_array():
    x = tracked([1.0, 2.0])
    with mg.no_grad():
        assert np.asarray(x).tolist() == [1, 2]


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 has no copy argument")
def test_asarray_without_a_copy_is_refused():
    # NumPy's rule for copy=False: raise where a copy has to be made. Ours is always a copy.
    with pytest.raises(ValueError, match="copy"):
        np.asarray(Tensor([1.0]), copy=False)


# Python's protocols


def test_item_assignment_raises():
    x = Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match="where"):
        x[0] = 5
    assert x.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("operator", ["+=", "-=", "*=", "/=", "**=", "@="])
def test_augmented_assignment_rebinds_and_leaves_the_old_tensor(operator):
    names = {"t": tracked([1.0, 2.0])}
    names["old"], names["u"] = names["t"], np.array([3.0, 4.0])
    exec(f"t {operator} u", names)
    assert names["t"] is not names["old"]
    assert names["old"].numpy().tolist() == [1, 2] and names["old"].is_leaf
    assert not names["t"].is_leaf


@pytest.mark.cpu_only("says which device it is on")
def test_repr():
    assert repr(Tensor([1.0, 2.5])) == "Tensor([1.  2.5], dtype=float64)"
    assert repr(tracked(1.0, np.float32)) == "Tensor(1., dtype=float32, requires_grad)"
    assert repr(tracked([1.0]) * 2) == "Tensor([2.], dtype=float64, tracked)"
    assert repr(Tensor(np.ones((0, 3)))) == "Tensor([], dtype=float64, shape=(0, 3))"


def test_format():
    assert f"{tracked([[2.5]]):.3f}" == "2.500"
    assert f"{Tensor([1.0, 2.0])}" == repr(Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="one element"):
        format(Tensor([1.0, 2.0]), ".3f")


def test_iteration_gives_tracked_rows():
    x = tracked(X)
    first, second = x
    (g,) = mg.grad((first * second).sum(), x)
    assert np.array_equal(g.numpy(), X[::-1])


def test_a_0d_tensor_has_no_length_and_no_items():
    for use in (len, iter, list):
        with pytest.raises(TypeError, match="0-d"):
            use(Tensor(1.0))


@pytest.mark.parametrize("compare", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize("swap", [False, True])
def test_comparisons_give_plain_booleans(compare, swap):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    for u, v in ((tracked(a), b), (tracked(a), 2), (tracked(a), tracked(b))):
        values = {"u": v, "v": u} if swap else {"u": u, "v": v}
        arrays = {"u": b, "v": a} if swap else {"u": a, "v": b}
        result = eval(f"u {compare} v", values)
        assert is_array(result) and result.dtype == bool
        assert np.array_equal(plain(result), eval(f"u {compare} v", arrays))


def test_hash_is_by_identity():
    a, b = tracked([1.0]), tracked([1.0])
    assert {a: "a", b: "b"}[a] == "a"
    assert len({a, b, a}) == 2


def test_deepcopy_of_a_leaf_is_a_separate_leaf():
    x = tracked([1.0, 2.0], np.float32)
    (x * x).sum().backward()
    twin, again = copy.deepcopy([x, x])
    assert twin is again  # shared before, shared after
    assert twin.requires_grad and twin.is_leaf and twin.grad is None and twin.dtype == x.dtype
    twin.assign([5.0, 6.0])
    (twin * 3).sum().backward()
    assert x.numpy().tolist() == [1, 2] and x.grad.numpy().tolist() == [2, 4]
    assert twin.grad.numpy().tolist() == [3, 3]


def test_computed_tensors_and_shallow_copies_are_not_copied():
    with pytest.raises(TypeError, match="detach"):
        copy.deepcopy(tracked([1.0]) * 2)
    with pytest.raises(TypeError, match="deepcopy"):
        copy.copy(tracked([1.0]))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_is_refused(protocol):
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Tensor([1.0]), protocol)


def test_transposes_and_reshapes_take_sizes_or_a_tuple():
    t = Tensor(np.arange(24.0).reshape(2, 3, 4))
    assert t.T.shape == t.transpose().shape == (4, 3, 2)
    assert t.transpose(1, 0, 2).shape == t.transpose((1, 0, 2)).shape == (3, 2, 4)
    assert t.reshape(6, -1).shape == t.reshape((6, -1)).shape == (6, 4)
    assert t.reshape(-1).shape == (24,)


@pytest.mark.parametrize(
    "leave", [Tensor, np.asarray, float, Tensor.numpy, Tensor.item, lambda x: x.data]
)
def test_a_backward_that_takes_values_off_the_tape_has_no_second_order(leave):
    # Each of these loses x's own gradient, so going on would give x³'s second derivative alone.
    square = mg.primitive(lambda x: x * x, lambda g, x: g * 2 * leave(x), name="square")
    x = tracked(3.0)
    (first,) = mg.grad(square(x), x)
    assert first.item() == 6
    with pytest.raises(NotTwiceDifferentiableError, match="'square'"):
        mg.grad(square(x) + x**3, x, create_graph=True)


# dtype in = dtype out


def like(x, array):
    return array.astype(x.dtype)


ROW = [0.3, 0.7, 0.2, 0.9, 0.6, 0.4, 0.8, 0.1]
MAPS = np.reshape(ROW * 4, (2, 2, 2, 4))
KERNEL = np.reshape(ROW * 8, (2, 2, 4, 4))
ONES = np.ones(4)

SHAPELESS = {  # functions of a tensor of any shape, also 0-d
    "absolute": mg.absolute,
    "add": lambda x: mg.add(x, x),
    "broadcast_to": lambda x: mg.broadcast_to(x, (3, *x.shape)),
    "clip": lambda x: mg.clip(x, 0.25, 0.75),
    "cos": mg.cos,
    "divide": lambda x: mg.divide(x, x),
    "dropout": lambda x: mg.dropout(x, 0.5, mg.random.Stream(0)),
    "einsum": lambda x: mg.einsum("...,...->...", x, x),
    "elu": mg.elu,
    "exp": mg.exp,
    "expm1": mg.expm1,
    "flip": mg.flip,
    "gelu": mg.gelu,
    "getitem": lambda x: mg.getitem(x, ...),
    "leaky_relu": mg.leaky_relu,
    "log": mg.log,
    "log1p": mg.log1p,
    "logsumexp": mg.logsumexp,
    "max": mg.max,
    "maximum": lambda x: mg.maximum(x, 0.5),
    "mean": mg.mean,
    "min": mg.min,
    "minimum": lambda x: mg.minimum(x, 0.5),
    "multiply": lambda x: mg.multiply(x, x),
    "negative": mg.negative,
    "norm": mg.norm,
    "pad": lambda x: mg.pad(x, 1) if x.ndim else mg.pad(x, np.empty((0, 2), int)),
    "power": lambda x: mg.power(x, 2) + mg.power(x, x) + mg.power(2.0, x),
    "relu": mg.relu,
    "reshape": lambda x: mg.reshape(x, (-1,)),
    "roll": lambda x: mg.roll(x, 1),
    "sigmoid": mg.sigmoid,
    "sign": mg.sign,
    "sin": mg.sin,
    "softplus": mg.softplus,
    "binary_cross_entropy": lambda x: mg.binary_cross_entropy(x, 0.3),
    "binary_cross_entropy_with_logits": lambda x: mg.binary_cross_entropy_with_logits(x, 0.3),
    "sqrt": mg.sqrt,
    "stack": lambda x: mg.stack([x, x]),
    "subtract": lambda x: mg.subtract(x, x),
    "sum": mg.sum,
    "take": lambda x: mg.take(mg.reshape(x, (-1,)), [0, 0]),
    "tanh": mg.tanh,
    "to": lambda x: mg.to(x, x.device) * 1,
    "transpose": mg.transpose,
    "var": mg.var,
    "where": lambda x: mg.where(x > 0.5, x, 0.0),
}
SHAPED = {  # and those that need axes
    "affine": lambda x: mg.affine(x, like(x, KERNEL[0, 0]), like(x, ONES)),
    "avg_pool2d": mg.avg_pool2d,
    "batch_norm": lambda x: mg.batch_norm(x, like(x, ONES), like(x, ONES)),
    "concatenate": lambda x: mg.concatenate([x, like(x, MAPS), x]),
    "conv1d": lambda x: mg.conv1d(mg.reshape(x, (4, 2, 4)), like(x, KERNEL[0]), padding="same"),
    "conv2d": lambda x: mg.conv2d(x, like(x, KERNEL), padding="same"),
    "conv2d_transpose": lambda x: mg.conv2d_transpose(x, like(x, KERNEL), stride=2),
    "embedding": lambda x: mg.embedding(mg.reshape(x, (8, 4)), [1, 1, 5]),
    "flatten": mg.flatten,
    "global_avg_pool2d": mg.global_avg_pool2d,
    "global_max_pool2d": mg.global_max_pool2d,
    "global_sum_pool2d": mg.global_sum_pool2d,
    "instance_norm": lambda x: mg.instance_norm(x, like(x, ONES), like(x, ONES)),
    "layer_norm": lambda x: mg.layer_norm(x, like(x, ONES), like(x, ONES)),
    "log_softmax": mg.log_softmax,
    "matmul": lambda x: mg.matmul(x, mg.transpose(x, (0, 1, 3, 2))),
    "max_pool2d": mg.max_pool2d,
    "normalize": lambda x: mg.normalize(x, -1),
    "pixel_shuffle": mg.pixel_shuffle,
    "softmax": mg.softmax,
    "split": lambda x: mg.split(x, 2)[0],
    "upsample_bilinear": mg.upsample_bilinear,
    "upsample_nearest": mg.upsample_nearest,
}
PLAIN = {"equal", "greater", "greater_equal", "less", "less_equal", "moments", "not_equal"}


def cases():
    yield from ((name, f, data) for name, f in SHAPELESS.items() for data in (0.6, MAPS))
    yield from ((name, f, MAPS) for name, f in SHAPED.items())


def test_every_function_has_its_dtypes_checked():
    # astype changes the dtype, which is what it is for; it has tests of its own.
    assert {*SHAPELESS, *SHAPED} | PLAIN | {"astype"} == set(mg.ops.__all__)


@pytest.mark.parametrize("dtype", FLOATS)
def test_results_and_gradients_of_any_order_keep_the_dtype(dtype):
    wrong = []
    for name, function, data in cases():
        x = tracked(data, dtype)
        y = function(x)
        (g,) = mg.grad(y, x, np.ones(y.shape), create_graph=True)
        (h,) = mg.grad(g, x, np.ones(g.shape), allow_unused=True)
        got = [y.dtype, g.dtype, h.dtype if h is not None else dtype]
        if got != [dtype] * 3 or g.shape != x.shape:
            wrong.append((name, x.shape, got))
    assert not wrong


@pytest.mark.parametrize("dtype", FLOATS)
def test_promoted_by_float64_arrays_the_gradient_comes_back_in_its_own_dtype(dtype):
    for name, function, data in cases():
        x = tracked(data, dtype)
        y = function(x) * np.linspace(0.5, 1.5, 2 * function(x).size).reshape(2, *function(x).shape)
        assert y.dtype == np.float64, name
        (g,) = mg.grad(y, x, np.ones(y.shape))
        assert (g.dtype, g.shape) == (dtype, x.shape), name


BINARY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "maximum": mg.maximum,
    "minimum": mg.minimum,
    "where": lambda a, b: mg.where(np.array([True, False]), a, b),
    "np.add": np.add,
    "np.maximum": np.maximum,
}
CONSTANTS = {  # none of these may widen a tensor
    "int": 2,
    "float": 0.5,
    "bool": True,
    "numpy float64": np.float64(0.5),
    "numpy int64": np.int64(2),
    "numpy bool": np.bool_(True),
    "0-d float64": np.array(0.5),
    "0-d int": np.array(2),
    "int array": np.array([1, 2]),
    "int64 column": np.array([[1], [2], [3]]),
    "uint8 array": np.array([1, 2], np.uint8),
    "bool array": np.array([True, True]),
    "list of ints": [1, 2],
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("constant", CONSTANTS)
def test_constants_never_widen(constant, dtype):
    value = CONSTANTS[constant]
    for name, function in BINARY.items():
        for data in (0.75, [0.75, 0.5]):
            for swap in (False, True):
                x = tracked(data, dtype)
                y = function(value, x) if swap else function(x, value)
                (g,) = mg.grad(y, x, np.ones(y.shape), create_graph=True)
                (h,) = mg.grad(g, x, np.ones(g.shape), allow_unused=True)
                where = (name, swap, data)
                assert (y.dtype, g.dtype, g.shape) == (dtype, dtype, x.shape), where
                assert h is None or h.dtype == dtype, where


@pytest.mark.parametrize("constant", CONSTANTS)
def test_constants_give_the_values_of_float64_arrays(constant):
    value, array = CONSTANTS[constant], np.asarray(CONSTANTS[constant], dtype=np.float64)
    data = np.array([0.75, 0.5])
    for name, function in BINARY.items():
        for swap in (False, True):
            x, other = tracked(data), tracked(data)
            y = function(value, x) if swap else function(x, value)
            z = function(tracked(array), other) if swap else function(other, tracked(array))
            np.testing.assert_array_equal(y.numpy(), z.numpy(), err_msg=name)
            (g,), (h,) = mg.grad(y.sum(), x), mg.grad(z.sum(), other)
            np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-15, err_msg=name)


def test_float32_with_a_float64_array_promotes_and_the_gradient_comes_back_float32():
    x = tracked([0.5, 0.25], np.float32)
    y = x * np.array([3.0, 0.1])
    assert y.dtype == np.float64
    (g,) = mg.grad(y.sum(), x)
    assert g.dtype == np.float32
    assert np.array_equal(g.numpy(), np.float32([3.0, 0.1]))


def test_tensors_of_two_dtypes_promote_and_each_gradient_has_its_own():
    a, b = tracked([1.5, 2.0], np.float16), tracked([3.0, 4.0], np.float32)
    y = a * b
    assert y.dtype == np.float32
    g, h = mg.grad(y.sum(), [a, b])
    assert (g.dtype, h.dtype) == (np.float16, np.float32)
    assert g.numpy().tolist() == [3, 4] and h.numpy().tolist() == [1.5, 2]


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize("target", FLOATS)
def test_astype_and_its_gradient(source, target):
    x = tracked([0.5, 2.0], source)
    y = x.astype(target)
    assert y.dtype == target and not share_memory(y.data, x.data)
    (g,) = mg.grad((y * y).sum(), x)
    assert g.dtype == source and g.numpy().tolist() == [1, 4]


def test_astype_to_other_dtypes_is_refused():
    with pytest.raises(TypeError, match="astype: got int64"):
        tracked([1.0]).astype(np.int64)


@pytest.mark.parametrize("other", [np.ones(2, complex), "text", None, object()])
def test_operands_that_are_not_real_numbers_are_refused(other):
    with pytest.raises(TypeError, match="add: can't compute with"):
        tracked([1.0, 2.0]) + other


def test_an_operand_of_a_bad_dtype_is_named_by_it():
    with pytest.raises(TypeError, match="complex128"):
        tracked([1.0, 2.0]) + np.ones(2, complex)


def test_an_array_of_booleans_alone_is_computed_with_as_float64():
    mask = np.array([True, False])
    for function in (mg.negative, mg.tanh, mg.sum, lambda m: mg.subtract(1, m)):
        result = function(mask)
        assert result.dtype == np.float64
        assert np.array_equal(result.numpy(), function(mask.astype(float)).numpy())
