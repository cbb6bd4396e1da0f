from __future__ import annotations

import itertools

import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, adjoint, behaves, close
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.ops.convolution import _convolve, _input_gradient, _weight_gradient
from minigan.ops.geometry import window
from minigan.testing import check_gradients
from minigan.testing.strategies import convolutions, seeds, small_convolutions, values


@examples(60)
@given(convolutions())
def test_conv2d_is_the_sum_over_taps_and_channels(c):
    x, w = c.map(), c.weights()
    close(mg.conv2d(Tensor(x), Tensor(w), **c.settings), references.conv2d(x, w, **c.settings))


@examples(12)
@given(small_convolutions())
def test_conv2d_behaves(c):
    behaves(lambda x, w: mg.conv2d(x, w, **c.settings), c.map(), c.weights())


@examples(60)
@given(convolutions())
def test_conv2d_transpose_spreads_each_element_over_its_window(c):
    # The map plays the small input, so the weights' last axis must be its channels.
    x = c.map()
    w = values(c.seed + 1, (*c.taps, c.channels[1], c.c_in))
    size = references.default_size(c.size, c.taps, c.stride, c.padding, c.dilation)
    if min(size) < 1:
        with pytest.raises(ValueError, match="output_size"):
            mg.conv2d_transpose(Tensor(x), Tensor(w), **c.settings)
        return
    expected = references.conv2d_transpose(x, w, **c.settings)
    close(mg.conv2d_transpose(Tensor(x), Tensor(w), **c.settings), expected)


@examples(12)
@given(small_convolutions())
def test_conv2d_transpose_behaves(c):
    # y is what the convolution makes of the map, so that size is one it came from.
    y = values(c.seed, references.conv2d(c.map(), c.weights(), **c.settings).shape)
    behaves(
        lambda y, w: mg.conv2d_transpose(y, w, **c.settings, output_size=c.size), y, c.weights()
    )


@examples(40)
@given(convolutions())
def test_the_three_maps_of_convolution_are_adjoint(c):
    x, w = c.map(), c.weights()
    y = values(c.seed + 2, references.conv2d(x, w, **c.settings).shape)

    def forward(x, w):
        return mg.conv2d(Tensor(x), Tensor(w), **c.settings)

    def transposed(y, w):
        return mg.conv2d_transpose(Tensor(y), Tensor(w), **c.settings, output_size=c.size)

    def weight_gradient(x, y):
        t = Tensor(w, requires_grad=True)
        return mg.grad(mg.conv2d(Tensor(x), t, **c.settings), t, y)[0]

    adjoint(lambda x: forward(x, w), lambda y: transposed(y, w), x, y)
    adjoint(lambda w: forward(x, w), lambda y: weight_gradient(x, y), w, y)
    adjoint(lambda w: transposed(y, w), lambda x: weight_gradient(x, y), w, x)


@examples(8)
@given(small_convolutions())
def test_the_adjoints_have_gradients_of_their_own(c):
    x, w = c.map(), c.weights()
    where = window(c.size, c.taps, c.stride, c.padding, c.dilation)
    y = values(c.seed + 2, references.conv2d(x, w, **c.settings).shape)
    behaves(lambda x, w: _convolve(x, w, where, c.groups), x, w, order=1)
    behaves(lambda y, w: _input_gradient(y, w, where, c.groups, c.size), y, w, order=1)
    behaves(lambda x, y: _weight_gradient(x, y, where, c.groups), x, y, order=1)


def test_third_derivatives_of_a_convolution_of_a_convolution():
    # x enters three times: as map, and through the weights of the outer convolution.
    def gradient(x):
        y = mg.conv2d(x * x, mg.reshape(x[0, :2, :2, 0] * x[0, 1:, 1:, 0], (2, 2, 1, 1)))
        return mg.grad((y * y).sum(), x, create_graph=True)[0]

    x = values(3, (1, 3, 3, 1))
    check_gradients(gradient, [x], order=2)


@pytest.mark.parametrize("conv", ["direct", "planes", "dft", "winograd"])
@pytest.mark.parametrize("function", [mg.conv2d, mg.conv2d_transpose])
def test_a_graph_may_be_gone_through_twice_and_by_another_algorithm(function, conv):
    x, w, g = values(0, (2, 6, 5, 2)), values(1, (3, 3, 2, 2)), values(2, (2, 6, 5, 2))
    operands = [Tensor(a, requires_grad=True) for a in (x, w)]
    with mg.config(conv="direct"):
        expected = mg.grad(function(*operands, padding="same"), operands, g)
    with mg.config(conv=conv):
        made = function(*operands, padding="same")
        first = mg.grad(made, operands, g, retain_graph=True)
        second = mg.grad(made, operands, g, retain_graph=True)
        again = function(*operands, padding="same")
    with mg.config(conv="winograd" if conv == "dft" else "dft"):
        other = mg.grad(again, operands, g)
    for a, b, c, d in zip(first, second, other, expected, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        close(a.numpy(), d.numpy())
        close(c.numpy(), d.numpy())


def test_one_tensor_may_be_map_and_weights():
    x = values(0, (2, 2, 2, 2))
    settings = {"padding": 1}
    check_gradients(lambda t: mg.conv2d(t, t, **settings), [x], order=2)
    check_gradients(lambda t: mg.conv2d_transpose(t, t), [x], order=2)


@examples(40)
@given(c=convolutions(), as_number=st.booleans())
def test_conv1d_is_the_sum_over_taps_and_channels(c, as_number):
    padding = c.padding if isinstance(c.padding, str) else c.padding[0]
    if as_number and not isinstance(padding, str):
        padding = max(padding)
    settings = {"padding": padding, "groups": c.groups}
    settings |= {"stride": c.stride[0], "dilation": c.dilation[0]}
    x = values(c.seed, (c.images, c.size[0], c.c_in))
    w = values(c.seed + 1, (c.taps[0], c.channels[0], c.c_out))
    close(mg.conv1d(Tensor(x), Tensor(w), **settings), references.conv1d(x, w, **settings))
    if c.seed % 4 == 0:
        check_gradients(lambda s, t: mg.conv1d(s, t, **settings), [x, w])


def test_conv1d_behaves():
    x, w = values(0, (2, 5, 2)), values(1, (3, 1, 4))
    for padding in ("same", "valid", 1, (2, 0)):
        settings = {"padding": padding, "stride": 2, "groups": 2}
        behaves(lambda s, t, kw=settings: mg.conv1d(s, t, **kw), x, w)


# Sizes


@pytest.mark.parametrize("padding", ["same", "valid", 0, 1, ((0, 1), (2, 0))])
def test_every_size_that_convolves_to_the_map_is_accepted_and_no_other(padding):
    for small, taps, stride, dilation in itertools.product((1, 2, 3), (1, 2, 3), (1, 2, 3), (1, 2)):
        w = Tensor(np.ones((taps, taps, 1, 1)))
        x = Tensor(np.ones((1, small, small, 1)))
        for size in range(1, 12):
            pads = references.sides(
                padding, (size,) * 2, (taps,) * 2, (stride,) * 2, (dilation,) * 2
            )
            made = tuple(references.positions(size, taps, stride, dilation, p) for p in pads)
            settings = {"stride": stride, "padding": padding, "dilation": dilation}
            settings |= {"output_size": (size, size)}
            if made == (small, small):
                assert mg.conv2d_transpose(x, w, **settings).shape == (1, size, size, 1)
            else:
                with pytest.raises(
                    ValueError, match=rf"output_size: \({size}, {size}\).*\({small}, {small}\)"
                ):
                    mg.conv2d_transpose(x, w, **settings)


@examples(30)
@given(c=convolutions(min_images=1), seed=seeds())
def test_any_accepted_output_size_gives_the_reference(c, seed):
    w = c.weights()
    y = values(seed, references.conv2d(c.map(), w, **c.settings).shape)
    settings = {**c.settings, "output_size": c.size}
    expected = references.conv2d_transpose(y, w, **settings)
    close(mg.conv2d_transpose(Tensor(y), Tensor(w), **settings), expected)


@pytest.mark.parametrize(
    ("size", "taps", "stride", "pads"),
    [
        (28, 5, 2, (1, 2)),
        (7, 3, 2, (1, 1)),
        (14, 5, 2, (1, 2)),
        (8, 4, 2, (1, 1)),
        (5, 2, 1, (0, 1)),
    ],
)
def test_same_padding_is_asymmetric_where_keras_makes_it_so(size, taps, stride, pads):
    x, w = values(0, (1, size, size, 1)), values(1, (taps, taps, 1, 1))
    same = mg.conv2d(Tensor(x), Tensor(w), stride, "same")
    assert same.shape == (1, -(-size // stride), -(-size // stride), 1)
    close(same, mg.conv2d(Tensor(x), Tensor(w), stride, (pads, pads)))
    if pads[0] != pads[1]:
        mirrored = mg.conv2d(Tensor(x), Tensor(w), stride, (pads[::-1], pads[::-1]))
        assert not np.allclose(same.numpy(), mirrored.numpy())


def test_a_batch_of_none_and_weights_of_integers():
    w = np.ones((3, 3, 2, 4), dtype=int)
    for dtype in FLOATS:
        x = Tensor(np.ones((0, 5, 5, 2)), requires_grad=True, dtype=dtype)
        y = mg.conv2d(x, w, padding="same")
        assert y.shape == (0, 5, 5, 4) and y.dtype == dtype
        assert mg.grad(y.sum(), x)[0].shape == x.shape
    t = Tensor(w, requires_grad=True)
    assert not mg.grad(mg.conv2d(np.ones((0, 5, 5, 2)), t).sum(), t)[0].numpy().any()


def test_a_pair_may_be_numpy_integers():
    x, w = Tensor(values(0, (1, 5, 5, 1))), Tensor(values(1, (2, 2, 1, 1)))
    expected = mg.conv2d(x, w, 2, 1)
    close(mg.conv2d(x, w, np.int64(2), np.int64(1)), expected)
    close(mg.conv2d(x, w, np.array([2, 2]), (np.int64(1), 1)), expected)
    close(mg.conv2d(x, w, [2, 2], [[1, 1], [1, 1]]), expected)


# Errors


def maps(*shape):
    return Tensor(np.ones(shape))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mg.conv2d(maps(5, 5, 1), maps(2, 2, 1, 1)), r"conv2d: .*\(5, 5, 1\).*rank 4"),
        (lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1)), r"conv2d: .*\(2, 2, 1\).*rank 4"),
        (lambda: mg.conv2d(maps(1, 5, 5, 3), maps(2, 2, 2, 1)), r"conv2d: 3 input channels.*got 2"),
        (
            lambda: mg.conv2d(maps(1, 5, 5, 4), maps(2, 2, 2, 3), groups=2),
            r"2 divides; got 2 and 3",
        ),
        (lambda: mg.conv2d(maps(1, 5, 5, 4), maps(2, 2, 4, 2), groups=0), r"in 0 group"),
        (lambda: mg.conv2d(maps(1, 2, 5, 1), maps(3, 3, 1, 1)), r"does not fit a map of \(2, 5\)"),
        (lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), 0), r"stride: got 0"),
        (
            lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), (1, 2, 3)),
            r"stride: got \(1, 2, 3\)",
        ),
        (lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), 1.5), r"stride: got 1\.5"),
        (lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), dilation=0), r"dilation: got 0"),
        (
            lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), padding="full"),
            r"padding: got 'full'",
        ),
        (lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), padding=-1), r"padding: got -1"),
        (
            lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), padding=(1,)),
            r"padding: got \(1,\)",
        ),
        (lambda: mg.conv2d(maps(1, 5, 5, 1), maps(2, 2, 1, 1), padding=0.5), r"padding: got 0\.5"),
        (
            lambda: mg.conv2d_transpose(maps(2, 2, 1), maps(2, 2, 1, 1)),
            r"conv2d_transpose: .*rank 4",
        ),
        (
            lambda: mg.conv2d_transpose(maps(1, 2, 2, 3), maps(2, 2, 3, 1)),
            r"conv2d_transpose: x of shape \(1, 2, 2, 3\) has 3 channels.*takes 1",
        ),
        (
            lambda: mg.conv2d_transpose(maps(1, 2, 2, 3), maps(2, 2, 1, 3), groups=2),
            r"conv2d_transpose: 3 input channels.* 2 group",
        ),
        (
            lambda: mg.conv2d_transpose(maps(1, 2, 2, 1), maps(2, 2, 1, 1), padding="full"),
            r"padding: got 'full'",
        ),
        (
            lambda: mg.conv2d_transpose(maps(1, 2, 2, 1), maps(2, 2, 1, 1), padding=-1),
            r"padding: got -1",
        ),
        (
            lambda: mg.conv2d_transpose(maps(1, 2, 2, 1), maps(2, 2, 1, 1), padding=(1,)),
            r"padding: got \(1,\)",
        ),
        (
            lambda: mg.conv2d_transpose(maps(1, 2, 2, 1), maps(2, 2, 1, 1), stride=0),
            r"stride: got 0",
        ),
        (
            lambda: mg.conv2d_transpose(maps(1, 2, 2, 1), maps(2, 2, 1, 1), output_size=(0, 3)),
            r"output_size: got \(0, 3\)",
        ),
        (lambda: mg.conv1d(maps(5, 1), maps(2, 1, 1)), r"conv1d: got x \(5, 1\)"),
        (lambda: mg.conv1d(maps(1, 5, 3), maps(2, 2, 1)), r"conv1d: 3 input channels"),
        (
            lambda: mg.conv1d(maps(1, 5, 1), maps(2, 1, 1), padding=(1, 2, 3)),
            r"padding: got \(1, 2, 3\)",
        ),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_channels_give_zeros_or_nothing():
    x, w = mg.Tensor(np.ones((2, 4, 4, 0)), True), mg.Tensor(np.ones((3, 3, 0, 2)), True)
    y = mg.conv2d(x, w, padding="same")
    assert y.shape == (2, 4, 4, 2) and not y.numpy().any()
    assert [g.shape for g in mg.grad(y.sum(), [x, w])] == [x.shape, w.shape]
    assert mg.conv2d(np.ones((2, 4, 4, 1)), np.ones((3, 3, 1, 0))).shape == (2, 2, 2, 0)
