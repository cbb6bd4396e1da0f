from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import behaves, close_each, listed
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.ops.shape import swap_last
from minigan.testing.strategies import (
    arrays,
    axes,
    broadcastable,
    permutations,
    seeds,
    shapes,
    values,
)


@examples(10)
@given(x=arrays(), data=st.data())
def test_reshape_keeps_the_elements_in_order(x, data):
    shape = tuple(data.draw(st.permutations(x.shape)))
    close_each(mg.reshape(Tensor(x), shape), x.reshape(shape))
    behaves(lambda t: mg.reshape(t, shape), x)
    behaves(lambda t: mg.reshape(t, -1), x)


@examples(10)
@given(x=arrays(), data=st.data())
def test_transpose_reorders_the_axes(x, data):
    order = data.draw(permutations(x.ndim))
    close_each(mg.transpose(Tensor(x), order), np.transpose(x, order))
    behaves(lambda t: mg.transpose(t, order), x)


def test_axes_may_be_counted_from_the_end():
    behaves(lambda t: mg.transpose(t, (-1, 0, -2)), values(0, (2, 3, 4)))


@examples(6)
@given(x=arrays(shapes(min_dims=2)))
def test_swap_last_transposes_each_matrix(x):
    close_each(swap_last(Tensor(x)), np.swapaxes(x, -1, -2))
    behaves(swap_last, x)


@examples(10)
@given(shapes=broadcastable(1), seed=seeds(), lead=st.integers(0, 2))
def test_broadcast_to_repeats(shapes, seed, lead):
    x = values(seed, shapes[0])
    whole = (2,) * lead + tuple(3 if n == 1 else n for n in x.shape)
    close_each(mg.broadcast_to(Tensor(x), whole), np.broadcast_to(x, whole))
    behaves(lambda t: mg.broadcast_to(t, whole), x)


@examples(10)
@given(x=arrays(), data=st.data())
def test_flip_reverses(x, data):
    axis = data.draw(axes(x.ndim))
    close_each(mg.flip(Tensor(x), axis), np.flip(x, axis))
    behaves(lambda t: mg.flip(t, axis), x)


@examples(10)
@given(x=arrays(), shift=st.integers(-4, 4), data=st.data())
def test_roll_moves_round(x, shift, data):
    axis = data.draw(axes(x.ndim))
    close_each(mg.roll(Tensor(x), shift, axis), np.roll(x, shift, axis))
    behaves(lambda t: mg.roll(t, shift, axis), x)


def test_roll_by_several_shifts():
    x = values(0, (3, 4))
    close_each(mg.roll(Tensor(x), (1, -2), (0, 1)), np.roll(x, (1, -2), (0, 1)))
    behaves(lambda t: mg.roll(t, (1, -2), (0, 1)), x)


@examples(6)
@given(x=arrays(shapes(min_dims=1)))
def test_flatten_keeps_the_first_axis(x):
    close_each(mg.flatten(Tensor(x)), x.reshape(len(x), int(np.prod(x.shape[1:]))))
    behaves(mg.flatten, x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mg.reshape(x, (5,)), r"reshape: cannot reshape array of size 6"),
        (lambda x: mg.transpose(x, (0, 0)), r"transpose: "),
        (lambda x: mg.transpose(x, (0,)), r"transpose: "),
        (lambda x: mg.broadcast_to(x, (4, 3)), r"broadcast_to: .*\(2,\s?3\).*\(4,\s?3\)"),
        (lambda x: mg.flip(x, 2), r"flip: .*axis 2"),
        (lambda x: mg.roll(x, 1, 2), r"roll: .*axis 2"),
        (lambda x: mg.flatten(x[0, 0]), r"flatten: got shape \(\)"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        listed(call(Tensor(np.ones((2, 3)))))
