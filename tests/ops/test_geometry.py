from __future__ import annotations

import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minigan.kernels.windows import Window
from minigan.ops.geometry import pair, transposed_size, window

sizes = st.integers(1, 30)
taps = st.integers(1, 7)
strides = st.integers(1, 4)
dilations = st.integers(1, 3)


@pytest.mark.parametrize(
    ("size", "taps", "stride", "expected"),
    [
        (28, 5, 2, (1, 2)),
        (14, 5, 2, (1, 2)),
        (7, 3, 2, (1, 1)),
        (8, 3, 2, (0, 1)),
        (28, 3, 2, (0, 1)),
        (8, 4, 2, (1, 1)),
        (5, 3, 1, (1, 1)),
        (5, 2, 1, (0, 1)),
        (5, 1, 2, (0, 0)),
        (10, 3, 3, (1, 1)),
        (9, 3, 3, (0, 0)),
        (4, 1, 4, (0, 0)),
    ],
)
def test_same_padding_has_keras_numbers(size, taps, stride, expected):
    found = window((size, size), (taps, taps), stride, "same")
    assert found.padding == (expected, expected)
    assert found.positions((size, size)) == (-(-size // stride),) * 2


@examples(100)
@given(sizes, sizes, taps, taps, strides, strides, dilations, dilations)
def test_same_padding_follows_tensorflows_rule_on_each_axis(h, w, kh, kw, sh, sw, dh, dw):
    found = window((h, w), (kh, kw), (sh, sw), "same", (dh, dw))
    expected = [references.same_padding(*axis) for axis in ((h, kh, sh, dh), (w, kw, sw, dw))]
    assert list(found.padding) == expected
    assert found.positions((h, w)) == (-(-h // sh), -(-w // sw))


@examples(100)
@given(sizes, taps, strides, dilations, st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_positions_are_where_the_window_fits(size, taps, stride, dilation, pads):
    expected = references.positions(size, taps, stride, dilation, pads)
    if not expected:
        with pytest.raises(ValueError, match="does not fit"):
            window((size, size), (taps, taps), stride, (pads, pads), dilation)
    else:
        found = window((size, size), (taps, taps), stride, (pads, pads), dilation)
        assert found.positions((size, size)) == (expected, expected)


@examples(100)
@given(sizes, taps, strides, dilations, st.sampled_from(["same", "valid", 0, 1, ((1, 0), (0, 2))]))
def test_the_default_transposed_size_is_keras_and_convolves_back(small, k, s, d, padding):
    expected = references.default_size((small,) * 2, (k, k), (s, s), padding, (d, d))
    if min(expected) < 1:
        with pytest.raises(ValueError, match="output_size"):
            transposed_size(None, (small, small), (k, k), s, padding, d)
        return
    size = transposed_size(None, (small, small), (k, k), s, padding, d)
    assert size == expected
    assert window(size, (k, k), s, padding, d).positions(size) == (small, small)
    if padding not in ("same", "valid"):  # and it is the smallest that does
        smaller = (size[0] - 1, size[1])
        with pytest.raises(ValueError, match="output_size"):
            transposed_size(smaller, (small, small), (k, k), s, padding, d)


def test_the_ways_of_writing_padding():
    def padding_of(padding):
        return window((9, 9), (3, 3), 1, padding).padding

    assert padding_of("valid") == padding_of(0) == ((0, 0), (0, 0))
    assert padding_of(2) == padding_of((2, 2)) == ((2, 2), (2, 2))
    assert padding_of((1, 2)) == padding_of([[1, 1], [2, 2]]) == ((1, 1), (2, 2))
    assert padding_of(((0, 1), 2)) == ((0, 1), (2, 2))


def test_pair_takes_one_number_or_two():
    assert pair("stride", 2) == pair("stride", (2, 2)) == pair("stride", np.int32(2)) == (2, 2)
    assert pair("stride", [1, 2]) == pair("stride", np.array([1, 2])) == (1, 2)
    assert all(type(n) is int for n in pair("stride", np.array([1, 2])))
    for wrong in (0, -1, 1.0, (1,), (1, 2, 3), (1, 0), (1, 2.0), "12", None):
        with pytest.raises(ValueError, match="stride: got"):
            pair("stride", wrong)


def test_a_window_reaches_from_its_first_to_its_last_tap():
    assert Window((3, 1), dilation=(2, 5)).reach(0) == 5
    assert Window((3, 1), dilation=(2, 5)).reach(1) == 1


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"\(3, 3\) taps \(dilation \(2, 2\)\).*\(4, 9\)"):
        window((4, 9), (3, 3), 1, "valid", 2)
    with pytest.raises(
        ValueError, match=r"\(8, 6\) can't be made from .*\(3, 3\).* it to \(4, 3\)"
    ):
        transposed_size((8, 6), (3, 3), (2, 2), 2, "valid", 1)
