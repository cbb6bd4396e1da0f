from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import adjoint, behaves, close_each, gradient
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.ops.indexing import WIDE, put
from minigan.testing.strategies import arrays, seeds, shapes, values

INDICES = {
    "number": 1,
    "negative number": -1,
    "numpy number": np.int64(1),
    "slice": slice(None, None, -2),
    "empty slice": slice(2, 1),
    "everything": (),
    "ellipsis": (..., 0),
    "new axis": (None, slice(None), None, 1),
    "mixed": (slice(1, None), ..., -1),
    "one element": (2, 1),
    "list": [0, 2, 2],
    "empty list": [],
    "repeated array": np.array([[1, 1], [-1, 0]]),
    "0-d array": np.array(2),
    "two arrays": ([0, 0, 2], [1, 1, 0]),
    "array and slice": (slice(None), np.array([1, 1, 0])),
    "array and number": (np.array([0, 0]), 1),
    "mask": np.array([True, False, True]),
    "full mask": np.array([[True, False], [False, False], [True, True]]),
    "true": True,
    "false": np.False_,
}


@pytest.mark.parametrize("name", INDICES)
def test_getitem_matches_numpy(name):
    index, x = INDICES[name], values(1, (3, 2))
    close_each(mg.getitem(Tensor(x), index), x[index])
    close_each(Tensor(x)[index], x[index])
    behaves(lambda t: mg.getitem(t, index), x)


@pytest.mark.parametrize("name", INDICES)
def test_getitem_and_put_are_adjoint(name):
    index, x = INDICES[name], values(1, (3, 2))
    y = values(2, x[index].shape)
    adjoint(lambda a: mg.getitem(Tensor(a), index), lambda b: put(Tensor(b), index, (3, 2)), x, y)
    behaves(lambda t: put(t, index, (3, 2)), y)


def test_elements_picked_twice_get_both_gradients():
    x = np.zeros(3)
    g = gradient(lambda t: t[[0, 2, 2, -1]], x, g=np.array([1.0, 2, 4, 8]))
    assert g.tolist() == [1, 0, 14]


def test_size_0_and_0_d_can_be_indexed():
    assert Tensor(np.ones((0, 2)))[:, 0].shape == (0,)
    assert gradient(lambda t: t[[]], np.ones((0, 2))).shape == (0, 2)
    assert gradient(lambda t: t[None, ...], np.array(1.0)) == 1
    assert gradient(lambda t: t[()], np.array(1.0)) == 1


@st.composite
def takes(draw):
    x = draw(arrays(shapes(min_side=1)))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1)) if x.ndim else None
    size = x.size if axis is None else x.shape[axis]
    flat = draw(st.lists(st.integers(-size, size - 1), max_size=4))
    indices = np.array(flat, dtype=int)
    return x, indices.reshape(2, -1) if len(flat) == 4 else indices, axis


@examples(25)
@given(takes())
def test_take_matches_numpy(drawn):
    x, indices, axis = drawn
    close_each(mg.take(Tensor(x), indices, axis), np.take(x, indices, axis))
    behaves(lambda t: mg.take(t, indices, axis), x)


def test_take_takes_a_number_and_an_unsigned_array():
    x = values(0, (2, 3))
    close_each(mg.take(Tensor(x), 4), x.ravel()[4])
    close_each(mg.take(Tensor(x), 1, 1), x[:, 1])
    close_each(mg.take(Tensor(x), np.array([1, 0], dtype=np.uint8), 1), x[:, [1, 0]])
    assert mg.take(Tensor(np.ones((0, 2))), np.zeros(0, dtype=int)).shape == (0,)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("index", [6, -7])
def test_take_refuses_an_index_that_is_not_there(axis, index):
    with pytest.raises(IndexError, match=f"index {index} is out of bounds"):
        mg.take(Tensor(np.ones((2, 3))), [0, index], axis)


@examples(12)
@given(rows=st.integers(1, 4), width=st.integers(0, 3), seed=seeds(), shape=shapes(max_dims=2))
def test_embedding_looks_rows_up(rows, width, seed, shape):
    table = values(seed, (rows, width))
    ids = np.random.default_rng(seed).integers(0, rows, shape)
    close_each(mg.embedding(Tensor(table), ids), table[ids])
    behaves(lambda t: mg.embedding(t, ids), table)


@examples(25)
@given(rows=st.integers(1, 4), seed=seeds(), shape=shapes(max_dims=2))
def test_wide_rows_are_added_in_the_order_of_their_indices(rows, seed, shape):
    ids = np.random.default_rng(seed).integers(-rows, rows, shape)
    for rest in [(WIDE,), (3, WIDE)]:
        g = values(seed, (*shape, *rest))
        added = np.zeros((rows, *rest))
        np.add.at(added, ids, g)
        for index in (ids, (ids,)):
            np.testing.assert_array_equal(put(Tensor(g), index, added.shape).numpy(), added)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: mg.take(x, [0.0]), TypeError, "indices: got dtype float64, wanted integers"),
        (lambda x: mg.take(x, [True]), TypeError, "indices: got dtype bool, wanted integers"),
        (lambda x: mg.take(x, [0], 2), ValueError, "axis: got 2 for 2 axes"),
        (lambda x: mg.embedding(x, [0.0]), TypeError, "ids: got dtype float64, wanted integers"),
        (lambda x: mg.embedding(x, [0, 2]), IndexError, "from 0 to 2, wanted 0 to 1"),
        (lambda x: mg.embedding(x, [-1]), IndexError, "from -1 to -1, wanted 0 to 1"),
        (lambda x: mg.embedding(x[0], [0]), ValueError, r"table: got shape \(3,\)"),
        (lambda x: x[Tensor([0.0])], TypeError, "not of a float tensor"),
        (lambda x: x[0, Tensor(1.0)], TypeError, "not of a float tensor"),
        (lambda x: x[2], IndexError, "ndex 2 is out of bounds"),
        (lambda x: x[0, 0, 0], IndexError, "too many indices"),
        (lambda x: x[[0.5]], IndexError, "integer"),
    ],
)
def test_what_is_wrong_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(Tensor(np.ones((2, 3))))
