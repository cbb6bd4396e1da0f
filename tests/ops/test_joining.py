from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, behaves, close_each, listed
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.testing.strategies import arrays, seeds, shapes, values


@st.composite
def parts(draw):
    """Arrays that differ in size along one axis only, and that axis."""
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    found = []
    for size in sizes:
        whole = list(shape)
        whole[axis] = size
        found.append(values(draw(seeds()), tuple(whole)))
    return found, axis


@examples(12)
@given(parts())
def test_concatenate_puts_parts_one_after_another(drawn):
    arrays, axis = drawn
    close_each(mg.concatenate([Tensor(a) for a in arrays], axis), np.concatenate(arrays, axis))
    behaves(lambda *ts: mg.concatenate(ts, axis), *arrays)


def test_one_tensor_may_be_every_part():
    behaves(lambda t: mg.concatenate([t, t * t, t], 1), values(0, (2, 3)))
    behaves(lambda t: mg.stack([t, t * t, t], 1), values(0, (2, 3)))


@examples(10)
@given(shape=shapes(max_dims=2), count=st.integers(1, 3), seed=seeds(), data=st.data())
def test_stack_makes_a_new_axis(shape, count, seed, data):
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    arrays = [values(seed + i, shape) for i in range(count)]
    close_each(mg.stack([Tensor(a) for a in arrays], axis), np.stack(arrays, axis))
    behaves(lambda *ts: mg.stack(ts, axis), *arrays)


@examples(10)
@given(
    rows=st.integers(0, 2), count=st.integers(1, 3), seed=seeds(), axis=st.sampled_from([0, 1, -1])
)
def test_split_into_equal_sections(rows, count, seed, axis):
    x = values(seed, (rows * count, 2 * count))
    for found, expected in zip(mg.split(x, count, axis), np.split(x, count, axis), strict=True):
        close_each(found, expected)
    behaves(lambda t: mg.split(t, count, axis), x)


@pytest.mark.parametrize("cuts", [[1], [1, 3], [0, 2, 2], [3, 9], [-1], np.array([1, 2])])
def test_split_at_positions(cuts):
    x = values(0, (5, 2))
    for found, expected in zip(mg.split(Tensor(x), cuts), np.split(x, cuts), strict=True):
        close_each(found, expected)
    behaves(lambda t: mg.split(t, cuts), x)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
@examples(8)
@given(x=arrays(shapes(min_side=1, max_dims=2)), seed=seeds())
def test_pad_matches_numpy(mode, x, seed):
    widths = np.random.default_rng(seed).integers(0, 4, (x.ndim, 2)).tolist()  # reflects twice too
    if not x.ndim:
        widths = []
    expected = np.pad(x, widths, mode) if x.ndim else x
    close_each(mg.pad(Tensor(x), widths, mode) if x.ndim else mg.pad(Tensor(x), 1, mode), expected)
    if x.ndim:
        behaves(lambda t: mg.pad(t, widths, mode), x)


def test_pad_takes_widths_as_numpy_does_and_a_value():
    x = values(0, (2, 3))
    for widths in (1, (1, 2), ((1, 2),), ((1, 0), (0, 2))):
        expected = np.pad(x, widths, constant_values=-2.5)
        close_each(mg.pad(Tensor(x), widths, value=-2.5), expected)
        behaves(lambda t, w=widths: mg.pad(t, w, value=-2.5), x)
    assert mg.pad(Tensor(np.ones((0, 2))), 1).shape == (2, 4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("constant", [0.5, 1, np.array(2.0), np.float64(3)])
def test_constant_parts_never_widen(dtype, constant):
    x = Tensor(1.5, dtype=dtype)
    assert mg.stack([x, constant]).dtype == dtype
    assert mg.stack([constant, x]).dtype == dtype
    assert mg.concatenate([Tensor([1.0], dtype=dtype), np.array([1])]).dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mg.concatenate([]), r"concatenate needs at least one part"),
        (lambda x: mg.concatenate([x, x], 2), r"concatenate: .*axis 2"),
        (lambda x: mg.concatenate([x, x[:1]], 1), r"concatenate: "),
        (lambda x: mg.stack([]), r"stack needs parts of one shape"),
        (lambda x: mg.stack([x, x[0]]), r"stack needs parts of one shape, got .*\(2, 3\).*\(3,\)"),
        (lambda x: mg.stack([x, x], 3), r"axis: got 3 for 3 axes"),
        (lambda x: mg.split(x, 4, 1), r"split: 3 elements don't make 4 equal sections"),
        (lambda x: mg.split(x, 0), r"split: 2 elements don't make 0 equal sections"),
        (lambda x: mg.split(x, 1, 2), r"axis: got 2 for 2 axes"),
        (lambda x: mg.split(x[0, 0], 1), r"axis: got 0 for 0 axes"),
        (lambda x: mg.pad(x, -1), r"widths: got -1"),
        (lambda x: mg.pad(x, 1, "wrap"), r"mode: got 'wrap'"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        listed(call(Tensor(np.ones((2, 3)))))
