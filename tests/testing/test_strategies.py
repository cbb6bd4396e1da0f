"""The strategies draw what they promise, and all that they promise can be drawn."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from strategies import examples

import minigan as mg
from minigan import nn
from minigan.ops.geometry import window
from minigan.testing import check_gradients
from minigan.testing.strategies import (
    KINDS,
    LAYOUTS,
    Network,
    arrays,
    arrays_with_axis,
    axes,
    broadcastable,
    convolutions,
    einsums,
    float_dtypes,
    networks,
    permutations,
    seeds,
    shapes,
    small_convolutions,
    values,
)
from minigan.testing.strategies import layers as growing


def drawn(strategy, count=300):
    """The first ``count`` examples, the same ones in every run."""
    found = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def collect(example):
        found.append(example)

    collect()
    return found


def never(strategy, features):
    """The names of the conditions that hold for none of the strategy's first examples."""
    found = drawn(strategy)
    return [name for name, holds in features.items() if not any(map(holds, found))]


@pytest.fixture(scope="module")
def many_networks():
    """What ``networks()`` draws."""
    return drawn(networks(), 400)


# Shapes and axes


@examples(50)
@given(st.data(), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_shapes_stay_in_their_range(data, dims, more_dims, side, more_side):
    shape = data.draw(shapes(dims, dims + more_dims, side, side + more_side))
    assert isinstance(shape, tuple) and dims <= len(shape) <= dims + more_dims
    assert all(side <= n <= side + more_side for n in shape)


def test_every_kind_of_shape_can_be_drawn():
    found = set(drawn(shapes()))
    assert {(), (0,), (1,), (2,), (3,)} <= found
    assert {len(shape) for shape in found if 0 in shape} == {1, 2, 3}
    assert {len(shape) for shape in found if 1 in shape} == {1, 2, 3}


@examples(50)
@given(st.data(), st.integers(1, 3))
def test_broadcastable_shapes_broadcast(data, count):
    found = data.draw(broadcastable(count, min_side=1))
    assert len(found) == count
    assert len(np.broadcast_shapes(*found)) <= 3


def test_broadcastable_shapes_differ_in_length_and_in_size():
    features = {
        "a missing axis": lambda two: len(two[0]) > len(two[1]) > 0,
        "both broadcast": lambda two: np.broadcast_shapes(*two) not in two,
        "against none": lambda two: (0,) in two and (1,) in two,
    }
    assert not never(broadcastable(), features)


@examples(50)
@given(st.data(), st.integers(0, 3))
def test_axes_and_orders_are_numpys(data, ndim):
    x = np.zeros(range(2, 2 + ndim))
    axis = data.draw(axes(ndim))
    assert np.sum(x, axis).ndim == ndim - len(range(ndim) if axis is None else np.atleast_1d(axis))
    order = data.draw(permutations(ndim))
    assert sorted(np.transpose(x, order).shape) == sorted(x.shape)


def test_every_way_of_naming_axes_and_orders_can_be_drawn():
    assert {None, 0, 1, -1, -2, (), (1,), (-2,), (0, 1), (1, 0), (0, -1)} <= set(drawn(axes(2)))
    orders = {None, (0, 1), (1, 0), (-1, 0), (-2, -1), (0, -1)}
    assert orders <= set(drawn(permutations(2)))


@examples(30)
@given(einsums())
def test_einsums_are_numpys(drawn):
    subscripts, operands = drawn
    np.einsum(subscripts, *operands)


def test_every_feature_of_einsum_can_be_drawn():
    features = {
        "implicit": lambda s: "->" not in s,
        "all summed": lambda s: s.endswith("->"),
        "ellipsis": lambda s: "...a" in s.partition("->")[0],
        "diagonal": lambda s: s.startswith("aa"),
        "three operands": lambda s: s.count(",") == 2,
        "reordered": lambda s: sorted(s.partition("->")[2]) != list(s.partition("->")[2]),
    }
    assert not never(einsums().map(lambda both: both[0]), features)


# Values

PROMISES = {
    "any": lambda a: np.isfinite(a).all(),
    "positive": lambda a: (a >= 0.3).all() and (a < 2).all(),
    "off_zero": lambda a: (abs(a) >= 0.2).all() and (abs(a) < 2).all(),
    "unit": lambda a: (abs(a) < 0.9).all(),
    "probability": lambda a: (a > 0.05).all() and (a < 0.95).all(),
    "distinct": lambda a: (
        len(np.unique(np.floor(a * 5))) == a.size
        and (abs(a * 5 - np.round(a * 5)) >= 0.3 - 1e-9).all()
    ),
}


def test_every_kind_has_a_promise():
    assert set(PROMISES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@examples(30)
@given(st.data())
def test_values_keep_their_kinds_promise(kind, data):
    assert PROMISES[kind](data.draw(arrays(shapes(max_side=6), kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_generic(kind):
    found = values(0, (500,), kind)
    assert len(np.unique(found)) == 500 and not np.isin(found, [0, 1]).any()
    assert kind in ("positive", "probability") or ((found > 0).any() and (found < 0).any())
    assert not np.array_equal(found, values(1, (500,), kind))
    np.testing.assert_array_equal(found, values(0, (500,), kind))


@pytest.mark.parametrize("layout", LAYOUTS)
@examples(20)
@given(seed=seeds(), shape=shapes(), dtype=float_dtypes())
def test_layouts_keep_shape_and_dtype(layout, seed, shape, dtype):
    found = values(seed, shape, "positive", dtype, layout)
    assert found.shape == shape and found.dtype == dtype
    assert np.isin(found, values(seed, shape, "positive", dtype)).all()
    if layout not in ("repeated", "overlapping"):
        np.testing.assert_array_equal(found, values(seed, shape, "positive", dtype))


def test_layouts_are_what_they_are_called():
    strides = {layout: values(0, (2, 3), layout=layout).strides for layout in LAYOUTS}
    assert strides == {
        "contiguous": (24, 8),
        "transposed": (8, 16),
        "reversed": (-24, -8),
        "strided": (48, 16),
        "repeated": (0, 8),
        "overlapping": (8, 8),
    }
    for layout in ("repeated", "overlapping"):
        assert not values(0, (2, 3), layout=layout).flags.writeable


def test_arguments_of_arrays_may_be_strategies():
    kinds, layouts = st.sampled_from(["any", "unit"]), st.sampled_from([*LAYOUTS])
    mixed = arrays(shapes(), kinds, float_dtypes(), layouts)
    features = {
        "repeated halves": lambda a: a.dtype == np.float16 and a.size > 2 and a.strides[0] == 0,
        "overlapping": lambda a: a.ndim == 2 and a.size > 2 and a.strides == (a.itemsize,) * 2,
        "backwards": lambda a: a.size > 2 and min(a.strides) < 0,
        "0-d": lambda a: a.dtype == np.float32 and a.ndim == 0,
    }
    assert not never(mixed, features)
    assert {a.shape for a in drawn(arrays((2, 0)), 5)} == {(2, 0)}


@examples(30)
@given(arrays_with_axis("positive"))
def test_an_array_comes_with_its_axis(drawn):
    x, axis = drawn
    assert x.size and np.isfinite(np.log(x).mean(axis)).all()


# Convolution


@pytest.mark.parametrize("ndim", [1, 2])
@examples(100)
@given(st.data())
def test_windows_fit_and_shapes_belong_together(ndim, data):
    c = data.draw(convolutions(ndim))
    x, w, y = c.map(), c.weights(), c.result()
    conv = mg.conv2d if ndim == 2 else mg.conv1d
    assert conv(x, w, **c.settings).shape == y.shape
    if ndim == 2:
        assert (
            window(c.size, c.taps, c.stride, c.padding, c.dilation).positions(c.size) == c.positions
        )
        assert mg.conv2d_transpose(y, w, **c.transposed_settings).shape == x.shape
        ones = mg.conv2d(np.ones_like(x[:1]), np.ones_like(w), **c.settings)
        assert not c.images or ones.numpy().any() == c.meets


def test_every_setting_of_convolution_can_be_drawn():
    features = {
        "valid": lambda c: c.padding == "valid" and c.size[0] > 3,
        "same": lambda c: c.padding == "same" and c.stride[0] < c.stride[1],
        "asymmetric": lambda c: isinstance(c.padding, tuple) and c.padding[0] == (0, 2),
        "dilated": lambda c: c.dilation == (1, 2) and c.taps[1] > 1,
        "grouped": lambda c: c.groups == 3 and c.channels == (2, 1),
        "skipping": lambda c: c.taps[0] == 1 and c.stride[0] == 3,
        "no images": lambda c: c.images == 0,
        "never meeting": lambda c: not c.meets,
    }
    assert not never(convolutions(), features)


@examples(10)
@given(small_convolutions())
def test_small_convolutions_can_be_checked_to_second_order(c):
    x, w, y = c.map(), c.weights(), c.result()
    assert x.size <= 40
    check_gradients(lambda x, w: mg.conv2d(x, w, **c.settings), [x, w], order=2)
    check_gradients(
        lambda y, w: mg.conv2d_transpose(y, w, **c.transposed_settings), [y, w], order=2
    )


@examples(10)
@given(small_convolutions(ndim=1))
def test_small_convolutions_of_sequences_can_be_checked_to_second_order(c):
    check_gradients(lambda x, w: mg.conv1d(x, w, **c.settings), [c.map(), c.weights()], order=2)


# Networks


@examples(25)
@given(networks())
def test_networks_have_right_gradients_to_second_order(network):
    check_gradients(network, network.inputs, order=2)


@examples(60)
@given(networks(min_layers=2, max_layers=3))
def test_networks_are_float64_and_repeat_themselves(network):
    assert 2 <= len(network.module) <= 3
    assert {p.dtype for p in network.module.named_state().values()} <= {np.dtype("float64")}
    first = network(network.input)
    assert first.dtype == np.float64 and first.numpy().any()
    np.testing.assert_array_equal(first.numpy(), network(*network.inputs).numpy())
    assert not any(np.isin(p.numpy(), [0, 1]).any() for p in network.module.named_state().values())


@examples(60)
@given(networks(min_layers=2))
def test_networks_stay_off_kinks(network):
    arriving = network.input
    layers = list(network.module.layers)
    with nn.training(network.training), mg.random.use(network.seed):
        for layer in layers:
            if isinstance(layer, growing.KINKED):
                assert abs(arriving).min() > growing.MARGIN * 0.99
                assert (arriving > 0).any()
            if isinstance(layer, growing.MAX_POOLING):
                assert np.diff(np.sort(arriving, None)).min() > 0.02
            arriving = layer(arriving).numpy()


GROWN_BY_NONE = {"Embedding", "PixelNorm", "Sequential", *nn._LATER}  # what has its own checks


@pytest.mark.parametrize("layer", sorted(nn.LAYERS.keys() - GROWN_BY_NONE))
def test_every_layer_that_takes_numbers_can_be_drawn(layer):
    def has_it(network):
        return any(type(each).__name__ == layer for each in network.module.layers)

    # What Hypothesis draws depends on the modules that are loaded, so no fixed number will do.
    many = settings(
        max_examples=20_000,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    assert has_it(find(networks(), has_it, settings=many))


def test_every_rank_mode_and_length_of_network_is_drawn(many_networks):
    found = {(net.input.ndim, net.training) for net in many_networks}
    assert found == {(ndim, training) for ndim in (2, 3, 4) for training in (False, True)}
    found = {(net.input.ndim, len(net.module)) for net in many_networks}
    assert found == {(ndim, length) for ndim in (2, 3, 4) for length in (1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("left_out", "names"),
    [
        ("batch_norm", {"BatchNorm"}),
        ("dropout", {"Dropout"}),
        ("kinks", {"ReLU", "LeakyReLU", "ELU", "MaxPooling2D", "GlobalMaxPooling2D"}),
    ],
)
@examples(60)
@given(st.data())
def test_layers_can_be_left_out(left_out, names, data):
    network = data.draw(networks(**{left_out: False}))
    assert not names & {type(layer).__name__ for layer in network.module.layers}


def test_a_network_takes_other_parameters_and_puts_its_own_back(many_networks):
    network = next(net for net in many_networks if len(net.inputs) == 3)
    own = network.module.parameters()
    x, *arrays = network.inputs
    tensors = [mg.Tensor(a + 1, requires_grad=True) for a in arrays]
    moved = network(x, *tensors)
    assert not np.array_equal(moved.numpy(), network(x).numpy())
    assert all(g.numpy().any() for g in mg.grad(moved, tensors, np.ones(moved.shape)))
    assert all(a is b for a, b in zip(own, network.module.parameters(), strict=True))
    with pytest.raises(TypeError, match="got 1 parameters, wanted none or 2"):
        network(x, tensors[0])


def test_a_network_shows_what_it_is():
    network = Network(nn.Sequential(nn.Tanh()), np.ones((3, 2)), True, 5)
    assert repr(network) == "<Sequential(Tanh()) in training on (3, 2), seed 5>"


@examples(100)
@given(arrays(shapes(2, 2, min_side=1, max_side=40)))
def test_thresholds_are_off_every_element_and_not_above_all(x):
    found = growing.thresholds(x / 4)
    assert abs(x / 4 - found).min() >= growing.MARGIN * (1 - 1e-9)
    assert (x / 4 > found).any(0).all()


def test_thresholds_divide_what_can_be_divided():
    np.testing.assert_allclose(growing.thresholds(np.array([[0.0], [1.0], [4.0]])), [2.5])
    np.testing.assert_allclose(growing.thresholds(np.array([[2.0], [2.0]])), [2 - growing.MARGIN])


# Errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shapes(3, 2), "min_dims: got 3, which is above max_dims, 2"),
        (lambda: shapes(min_dims=-1), "min_dims: got -1, wanted at least 0"),
        (lambda: shapes(min_side=4), "min_side: got 4, which is above max_side, 3"),
        (lambda: broadcastable(0), "count: got 0, wanted at least 1"),
        (lambda: broadcastable(min_side=4), "min_side: got 4"),
        (lambda: axes(-1), "ndim: got -1"),
        (lambda: permutations(-1), "ndim: got -1"),
        (lambda: einsums(0), "max_operands: got 0"),
        (lambda: einsums(2, 0), "max_side: got 0"),
        (lambda: arrays(kind="odd"), "kind: got 'odd', wanted one of 'any', 'positive'"),
        (lambda: arrays(layout="odd"), "layout: got 'odd', wanted one of 'contiguous'"),
        (lambda: arrays(dtype="int32"), "dtype: got int32, wanted float16, float32 or float64"),
        (lambda: convolutions(3), "ndim: got 3, wanted 1"),
        (lambda: convolutions(max_taps=0), "max_taps: got 0"),
        (lambda: convolutions(max_extra=-1), "max_extra: got -1"),
        (lambda: convolutions(max_groups=0), "max_groups: got 0"),
        (lambda: convolutions(min_images=3), "min_images: got 3, wanted 0, 1 or 2"),
        (lambda: networks(0), "min_layers: got 0, wanted at least 1"),
        (lambda: networks(5), "min_layers: got 5, which is above max_layers, 4"),
        (lambda: values(0, (2,), "distinct", layout="repeated"), "'repeated' with kind 'distinct'"),
        (lambda: values(0, (900,), "distinct", "float16"), "float16 can't keep 900 distinct"),
    ],
)
def test_wrong_arguments_are_named_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_who_lacks_hypothesis_is_told_what_to_install():
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import minigan.testing.values\n"
        "import minigan.testing.strategies"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'needs hypothesis, of the extra "test": pip install ".[test]"' in done.stderr
