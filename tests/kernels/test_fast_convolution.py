"""Winograd's algorithm and short DFTs: the same three maps as the definition's, for any layout."""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import numpy as np
import pytest
import references
from hypothesis import assume, given
from hypothesis import strategies as st
from properties import adjoint, close
from strategies import examples

import minigan as mg
from minigan import workers
from minigan.kernels import bilinear, blas, convolution, dft, tiling, winograd
from minigan.kernels.windows import Window
from minigan.ops.geometry import window
from minigan.testing.strategies import Convolution, seeds, values

FAST = {"dft": dft, "winograd": winograd}
both = pytest.mark.parametrize("algorithm", FAST.values(), ids=FAST)


@st.composite
def suited(draw, algorithm, larger=7, images=2):
    """Any settings that the algorithm applies to; maps up to ``larger`` than they need be."""

    def each(low, high):
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    stride = each(1, 3)
    if algorithm is dft:
        taps = each(1, 6)
    else:
        taps = tuple(draw(st.integers(s + 1, 3 * s)) for s in stride)
    kind = draw(st.sampled_from(["valid", "same", "explicit", "explicit"]))
    pads = tuple(zip(each(0, 3), each(0, 3), strict=True))
    total = [sum(p) if kind == "explicit" else 0 for p in pads]
    least = [1 if kind == "same" else max(1, t - p) for t, p in zip(taps, total, strict=True)]
    return Convolution(
        size=tuple(a + b for a, b in zip(least, each(0, larger), strict=True)),
        taps=taps,
        stride=stride,
        dilation=(1, 1),
        padding=pads if kind == "explicit" else kind,
        groups=draw(st.integers(1, 3)),
        channels=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        images=draw(st.integers(0, images)),
        seed=draw(seeds()),
    )


any_suited = st.one_of(*(suited(a).map(lambda c, a=a: (a, c)) for a in FAST.values()))


def window_of(c):
    return window(c.size, c.taps, c.stride, c.padding, c.dilation)


def results(algorithm, c, x, w, y):
    """All three maps."""
    return (
        algorithm.convolve(x, w, window_of(c), c.groups),
        algorithm.input_gradient(y, w, window_of(c), c.groups, c.size),
        algorithm.weight_gradient(x, y, window_of(c), c.groups),
    )


def all_maps(algorithm, c, x, w, y):
    """And the pairs of two gradients at once."""
    where = window_of(c)
    return (
        *results(algorithm, c, x, w, y),
        *algorithm.convolve_gradients(x, w, y, where, c.groups),
        *algorithm.input_gradient_gradients(y, w, x, where, c.groups),
    )


def check_definition(algorithm, c):
    x, w, y = c.map(), c.weights(), c.result()
    forward, back, weights = results(algorithm, c, x, w, y)
    close(forward, references.conv2d(x, w, **c.settings))
    close(back, references.conv2d_transpose(y, w, **c.transposed_settings))
    close(weights, convolution.weight_gradient(x, y, window_of(c), c.groups))


# The three maps


@examples(120)
@given(any_suited)
def test_fast_kernels_follow_the_definition(both):
    check_definition(*both)


@examples(80)
@given(any_suited)
def test_fast_kernels_are_each_others_adjoints(both):
    algorithm, c = both
    x, w, y, where = c.map(), c.weights(), c.result(), window_of(c)
    adjoint(
        lambda x: algorithm.convolve(x, w, where, c.groups),
        lambda y: algorithm.input_gradient(y, w, where, c.groups, c.size),
        x,
        y,
    )
    adjoint(
        lambda w: algorithm.convolve(x, w, where, c.groups),
        lambda y: algorithm.weight_gradient(x, y, where, c.groups),
        w,
        y,
    )


def at(size, taps, stride, padding, groups=1, channels=(1, 2)):
    return Convolution(size, taps, stride, (1, 1), padding, groups, channels, 1, sum(size))


@pytest.mark.parametrize("positions", [1, 3, 4, 5, 7, 8, 9])
@pytest.mark.parametrize(("taps", "stride"), [(2, 1), (3, 1), (4, 2), (5, 2), (8, 3)])
def test_winograd_at_the_borders_of_tiles(positions, taps, stride):
    least = (positions - 1) * stride + taps  # so many without padding
    for size, padding in (
        ((positions * stride, 4), "same"),
        ((least, least), "valid"),
        ((least - 1, least - 2), ((0, 1), (2, 0))),
    ):
        check_definition(winograd, at(size, (taps,) * 2, (stride,) * 2, padding))


@pytest.mark.parametrize(
    ("taps", "stride", "length", "products"),
    [
        ((3, 3), (1, 1), 36, 36),
        ((4, 4), (2, 2), 25, 4 * 25),
        ((5, 5), (2, 2), 36, 121),
        ((3, 3), (2, 2), 25, 81),
        ((2, 5), (1, 2), 30, 5 * (6 + 5)),
        ((8, 7), (3, 3), 36, (6 + 6 + 5) * (6 + 5 + 5)),
    ],
)
def test_winograd_needs_as_few_products_as_it_says(taps, stride, length, products):
    where = window((8, 8), taps, stride, "same")
    scheme = winograd.scheme(where, (8, 8), 2, 3, np.dtype("float64"))
    assert len(scheme.A) == 16 and len(scheme.B) == len(scheme.G) == length
    counts = [(part.r.stop - part.r.start) * sum(map(len, part.phases)) for part in scheme.parts]
    assert sum(counts) == products
    assert [part.r.start for part in scheme.parts] + [length] == [
        0,
        *(part.r.stop for part in scheme.parts),
    ]


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize(("taps", "stride"), [(5, 1), (5, 2), (4, 2), (3, 3), (8, 1)])
def test_dft_where_one_tile_becomes_several(taps, stride, more):
    longest = max(
        size
        for size in range(1, 4 * dft.LONGEST)
        if dft._single(window((size,) * 2, (taps,) * 2, stride, "same"), 0, size)[0] <= dft.LONGEST
    )
    for padding in ("same", ((2, 1), (0, 3))):
        c = at((longest + more, taps + 1), (taps,) * 2, (stride,) * 2, padding)
        check_definition(dft, c)


@pytest.mark.parametrize(
    ("size", "taps", "stride", "padding"),
    [
        ((3, 1), (3, 1), (1, 1), ((1, 1), (0, 1))),
        ((8, 1), (5, 1), (1, 1), ((2, 2), (1, 1))),
        ((3, 1), (6, 1), (1, 2), ((7, 1), (4, 0))),
    ],
)
def test_dft_where_some_tiles_lie_off_the_map(size, taps, stride, padding):
    check_definition(dft, at(size, taps, stride, padding, channels=(16, 16)))


@pytest.mark.parametrize(
    ("size", "taps", "stride", "products"),
    [(7, 5, 1, 121), (14, 5, 2, 94), (9, 5, 1, 181)],
)
def test_dft_needs_as_few_products_as_it_says(size, taps, stride, products):
    where = window((size, size), (taps, taps), stride, "same")
    scheme = dft.scheme(where, (size, size), 512, 512, np.dtype("float64"))
    assert scheme.B.shape[0] == products
    assert all(axis.outputs.tiles == 1 for axis in scheme.axes)


@examples(150)
@given(
    st.integers(1, 6), st.integers(1, 3), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3)
)
def test_a_single_tile_is_as_short_as_no_alias_allows(taps, stride, size, before, after):
    assume(size + before + after >= taps)
    where = Window((taps, 1), (stride, 1), (1, 1), ((before, after), (0, 0)))
    positions = where.positions((size, 1))[0]
    steps = -(-taps // stride)
    read, length = [], 1
    for phase in range(min(stride, taps)):
        on_map = range(before - phase, before - phase + size)
        qs = [q for q in range(positions - 1 + steps) if stride * q in on_map]
        ns = range(positions - 1 + len(range(phase, taps, stride)) if qs else 0)
        apart = {abs(q - n) for q in qs for n in ns} - {0}
        length = max(length, next(k for k in range(1, 40) if all(d % k for d in apart)))
        # Where the last phase is not looked at to the end, what is read there is in reach too.
        length = max([length, *[q + 1 for q in qs]])
        read += qs
    first, last = (min(read), max(read)) if read else (0, 0)
    assert dft._single(where, 0, size) == (length, first, last + 1 - first)


def test_a_window_that_never_meets_the_map_has_a_tile_all_the_same():
    where = Window((1, 1), (3, 1), (1, 1), ((1, 1), (0, 0)))  # at −1 and 2 of a map of one row
    assert dft._single(where, 0, 1) == (1, 0, 1)


def test_the_longest_transform_is_one_of_the_ways():
    ways = dft._ways(window((14, 14), (5, 5), 1, "same"), 0, 14)  # rows 2 to 15 of 0 to 17
    assert tuple(ways[-1]) == (dft.LONGEST, 14, 2, 14, 5, 1)


def test_the_work_of_tiles_is_counted_for_the_channels_of_all_phases(monkeypatch):
    counted = set()
    monkeypatch.setattr(dft, "_work", lambda down, across, c, o: counted.add((c, o)) or 1)
    where = Window((5, 2), (3, 4), (1, 1), ((0, 0), (0, 0)))  # 3 phases down, 2 of 4 across
    dft.scheme.__wrapped__(where, (11, 11), 7, 5, np.dtype("float64"))
    assert counted == {(3 * 2 * 7, 5)}


@examples(60)
@given(any_suited)
def test_a_side_is_a_partition_if_each_position_is_in_one_tile(both):
    algorithm, c = both
    found = algorithm.scheme(window_of(c), c.size, 1, 1, np.dtype("float64"))
    for side in (*found.inputs, *found.outputs):
        met = [
            run.start + run.pitch * tile + run.stride * i
            for run in side.runs
            for tile in range(run.tiles.stop - run.tiles.start)
            for i in range(run.inside.stop - run.inside.start)
        ]
        assert side.is_partition == (sorted(met) == list(range(side.size)))
        assert side.is_full == (len(met) == side.span * side.tiles * side.phases)
        assert side.tiles == side.phases == 1 or not side.is_whole
    assert all(side.is_partition for side in found.outputs)


@examples(40)
@given(any_suited)
def test_no_two_places_of_a_run_are_one(both):
    algorithm, c = both
    for side in algorithm.scheme(window_of(c), c.size, 1, 1, np.dtype("float64")).inputs:
        for run in side.runs:
            inside = run.inside.stop - run.inside.start
            assert inside and (
                run.tiles.stop - run.tiles.start == 1 or inside * run.stride <= run.pitch
            )


def test_rows_of_transforms_lie_a_little_further_apart():
    found = blas.spaced((3, 4, 5), np.dtype("float64"))
    assert found.shape == (3, 4, 5)
    assert found.strides == ((20 + blas.PITCH) * 8, 5 * 8, 8)
    found = blas.spaced((2, 3, 4, 5), np.dtype("float32"), 2)
    assert found.strides == (3 * (20 + blas.PITCH) * 4, (20 + blas.PITCH) * 4, 5 * 4, 4)


@both
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (5, 2)])
def test_tiles_and_taps_that_are_transformed_lie_so_too(algorithm, taps, stride):
    c = dataclasses.replace(at((9, 8), (taps,) * 2, (stride,) * 2, "same"), images=3)
    scheme = algorithm.scheme(window_of(c), c.size, 1, 2, np.dtype("float64"))
    pieces = tiling.cut(c.map(), scheme.inputs, slice(0, scheme.inputs[0].tiles))
    for rows in (pieces.reshape(*pieces.shape[:2], -1), bilinear._taps(c.weights(), scheme)):
        assert rows.strides[-2:] == ((rows.shape[-1] + blas.PITCH) * 8, 8)


@examples(60)
@given(any_suited)
def test_weights_are_turned_before_their_transform_or_after_to_the_same_result(both):
    algorithm, c = both
    x, w, y = c.map(), c.weights(), c.result()
    expected = all_maps(algorithm, c, x, w, y)
    made = []
    with pytest.MonkeyPatch.context() as patch:
        taps = bilinear._taps
        patch.setattr(bilinear, "_taps", lambda *a: made.append(a[2]) or taps(*a))
        for short in (0, 100):
            patch.setattr(blas, "SHORT", short)
            with bilinear.weights_unchanged() if c.seed % 2 else contextlib.nullcontext():
                for a, b in zip(all_maps(algorithm, c, x, w, y), expected, strict=True):
                    close(a, b, 1e-14)
    half = len(made) // 2
    assert not any(made[:half]) and any(made[half:])


@examples(60)
@given(any_suited)
def test_two_gradients_at_once_are_those_one_at_a_time(both):
    algorithm, c = both
    x, w, y, where = c.map(), c.weights(), c.result(), window_of(c)
    on_x, on_w = algorithm.convolve_gradients(x, w, y, where, c.groups)
    close(on_x, algorithm.input_gradient(y, w, where, c.groups, c.size))
    close(on_w, algorithm.weight_gradient(x, y, where, c.groups))
    on_y, on_w = algorithm.input_gradient_gradients(y, w, x, where, c.groups)
    close(on_y, algorithm.convolve(x, w, where, c.groups))
    close(on_w, algorithm.weight_gradient(x, y, where, c.groups))


@examples(60)
@given(any_suited, st.sampled_from([1, 1 << 22]))
def test_a_kept_transform_changes_no_bit_and_is_taken_once(both, at_a_time):
    algorithm, c = both
    x, w, y, where = c.map(), c.weights(), c.result(), window_of(c)
    maps = [
        (
            lambda kept: algorithm.convolve(x, w, where, c.groups, kept),
            lambda kept: algorithm.convolve_gradients(x, w, y, where, c.groups, kept),
        ),
        (
            lambda kept: algorithm.input_gradient(y, w, where, c.groups, c.size, kept),
            lambda kept: algorithm.input_gradient_gradients(y, w, x, where, c.groups, kept),
        ),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bilinear, "PRODUCTS_AT_A_TIME", at_a_time)
        for forward, gradients in maps:
            kept = []
            np.testing.assert_array_equal(forward(kept), forward(None))
            in_one = c.images <= 1 or at_a_time > 1
            assert len(kept) == 1 if c.groups == 1 and in_one else len(kept) <= 1
            expected = gradients(None)
            for _ in range(2):
                for found, wanted in zip(gradients(kept), expected, strict=True):
                    np.testing.assert_array_equal(found, wanted)
                assert not kept


def test_a_kept_transform_is_not_made_again(monkeypatch):
    c = at((7, 7), (5, 5), (1, 1), "same")
    x, w, y, where = c.map(), c.weights(), c.result(), window_of(c)
    made, transformed = [], bilinear._transformed
    monkeypatch.setattr(
        bilinear, "_transformed", lambda *told: made.append(1) or transformed(*told)
    )
    dft.convolve(x, w, where, 1, of_x := [])
    dft.input_gradient(y, w, where, 1, c.size, of_y := [])
    for gradients in (
        lambda: dft.convolve_gradients(x, w, y, where, 1, of_x),
        lambda: dft.input_gradient_gradients(y, w, x, where, 1, of_y),
    ):
        for count in (1, 2):  # and the second time both are
            made.clear()
            gradients()
            assert len(made) == count


def test_a_kept_transform_of_another_scheme_or_of_other_images_is_not_used(monkeypatch):
    c = at((7, 7), (5, 5), (1, 1), "same")
    x, w, y, where = c.map(), c.weights(), c.result(), window_of(c)
    expected = dft.convolve_gradients(x, w, y, where, 1)
    other = at((9, 9), (5, 5), (1, 1), "same")
    kept = []
    dft.convolve(other.map(), w, window_of(other), 1, kept)
    dft.convolve(np.concatenate([x, x]), w, where, 1, more := [])
    for transforms in (kept, more):
        assert len(transforms) == 1
        found = dft.convolve_gradients(x, w, y, where, 1, transforms)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(bilinear, "MAPS_KEPT", 0)
    dft.convolve(x, w, where, 1, kept)
    assert not kept


def test_dft_considers_every_tile_that_a_transform_is_long_enough_for():
    # Five taps at stride 2 are three of a phase: m outputs need m + 2 inputs.
    ways = dft._ways(window((40, 40), (5, 5), 2, "valid"), 0, 40)  # 18 outputs
    expected = [(m + 2, m, 0, m + 2, 3, -(-18 // m)) for m in range(1, dft.LONGEST - 1)]
    assert [tuple(way) for way in ways] == expected
    short = dft._ways(window((6, 6), (5, 5), 2, "same"), 0, 6)  # 3 outputs, padded by 1 and 2
    assert [tuple(way) for way in short[:3]] == [
        (m + 2, m, 0, m + 2, 3, -(-3 // m)) for m in (1, 2, 3)
    ]
    # One tile: padded, one phase holds rows 1, 3 and 5 at 1 to 3, the other 0, 2 and 4 at 0 to 2.
    assert [tuple(way) for way in short[3:]] == [(4, 3, 0, 4, 3, 1)]


@pytest.mark.parametrize("stride", [1, 2])
def test_dft_takes_the_tiles_of_least_work(stride):
    c, o, size = 3, 5, (23, 6)
    where = window(size, (5, 4), stride, "same")
    phases = stride * stride
    found = {}
    for down in dft._ways(where, 0, size[0]):
        for across in dft._ways(where, 1, size[1]):
            a, b, _ = dft._matrices(down, across)
            tiles, (r, inputs) = down.tiles * across.tiles, b.shape
            # To transform what comes in, to multiply, and to transform what comes out.
            each = inputs * phases * c + phases * c * o + len(a) * o
            found[down, across] = tiles * r * each
            assert dft._work(down, across, phases * c, o) == found[down, across]
    chosen = dft.scheme(where, size, c, o, np.dtype("float64"))
    best = min(found, key=lambda two: found[two])
    assert [axis.outputs.tiles for axis in chosen.axes] == [way.tiles for way in best]
    assert [axis.outputs.span for axis in chosen.axes] == [way.outputs for way in best]


@both
def test_tiles_are_chosen_for_the_channels_of_one_group(algorithm, monkeypatch):
    c = at((6, 5), (3, 3), (1, 1), "same", groups=2, channels=(3, 4))
    asked, scheme = [], algorithm.scheme
    monkeypatch.setattr(algorithm, "scheme", lambda *a: (asked.append(a[1:4]), scheme(*a))[1])
    results(algorithm, c, c.map(), c.weights(), c.result())
    assert asked == [((6, 5), 3, 4)] * 3


def test_each_of_many_groups_and_no_images():
    for images in (0, 2):
        c = at((6, 5), (3, 3), (1, 1), "same", groups=4, channels=(2, 3))
        for algorithm in FAST.values():
            check_definition(algorithm, dataclasses.replace(c, images=images))


def test_weights_of_no_images_have_gradient_zero():
    for algorithm in FAST.values():
        y = np.ones((0, 4, 4, 2))
        found = algorithm.weight_gradient(
            np.ones((0, 4, 4, 2)), y, Window((3, 3), padding=((1, 1),) * 2), 1
        )
        assert found.shape == (3, 3, 2, 2) and not found.any()


def test_rows_and_columns_that_no_window_meets_get_gradient_zero():
    where, y = Window((2, 2), (3, 3)), values(0, (1, 1, 1, 2))
    found = dft.input_gradient(y, values(1, (2, 2, 3, 2)), where, 1, (4, 4))
    assert found[:, :2, :2].all() and not found[:, 2:].any() and not found[:, :, 2:].any()
    assert not np.signbit(found[:, 2:]).any() and not np.signbit(found[:, :, 2:]).any()


@both
def test_images_done_a_few_at_a_time_are_the_same(algorithm, monkeypatch):
    c = dataclasses.replace(at((9, 6), (3, 3), (1, 1), "same", 2, (3, 2)), images=7)
    x, w, y = c.map(), c.weights(), c.result()
    whole = results(algorithm, c, x, w, y)
    monkeypatch.setattr(bilinear, "PRODUCTS_AT_A_TIME", 1)
    counts = []
    chunks = bilinear._chunks
    monkeypatch.setattr(
        bilinear, "_chunks", lambda *a: (counts.append(len(found := list(chunks(*a)))), found)[1]
    )
    for found, expected in zip(results(algorithm, c, x, w, y), whole, strict=True):
        close(found, expected, 1e-14)
    assert min(counts) > 2


def sizes(slices, count):
    """How many each takes of ``count`` in a row, which all together they take once."""
    places = [range(count)[each] for each in slices]
    assert [k for each in places for k in each] == list(range(count))
    return [len(each) for each in places]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (5 * 36 * 6 * 5, [5, 5]),
        (5 * 36 * 6 * 5 - 1, [4, 4, 2]),
        (9 * 36 * 6 * 5, [5, 5]),  # rather two alike than nine and one
        (10 * 36 * 6 * 5, [10]),
        (1, [1] * 10),
    ],
)
def test_as_many_images_at_a_time_as_their_products_fit(limit, expected, monkeypatch):
    where = window((9, 5), (3, 3), (1, 1), "same")
    scheme = winograd.scheme(where, (9, 5), 2, 3, np.dtype("float64"))
    assert [side.tiles for side in scheme.outputs] == [3, 2]
    monkeypatch.setattr(bilinear, "PRODUCTS_AT_A_TIME", limit)
    assert sizes(bilinear._chunks(10, (36, 2, 3), scheme), 10) == expected
    assert sizes(bilinear._chunks(0, (36, 2, 3), scheme), 0) == [0]


def test_more_images_at_a_time_where_the_weights_are_more(monkeypatch):
    where = window((4, 4), (3, 3), (1, 1), "same")
    scheme = winograd.scheme(where, (4, 4), 30, 20, np.dtype("float64"))
    monkeypatch.setattr(bilinear, "PRODUCTS_AT_A_TIME", 1)
    # Twice the weights of 30·20 are as many as what 24 images give: 24·(30 + 20).
    assert sizes(bilinear._chunks(48, (36, 30, 20), scheme), 48) == [24, 24]
    assert sizes(bilinear._chunks(49, (36, 30, 20), scheme), 49) == [17, 17, 15]


@pytest.mark.parametrize(
    ("n", "each", "least", "expected"),
    [
        (12, 100, 1, [3, 3, 3, 3]),  # a quarter each
        (13, 100, 1, [4, 4, 4, 1]),
        (12, 500, 1, [2] * 6),  # as many as fit
        (12, 501, 1, [1] * 12),
        (12, 5000, 1, [1] * 12),
        (12, 5000, 5, [5, 5, 2]),
        (0, 100, 1, []),
        (2, 0, 1, [1, 1]),
    ],
)
def test_parts_are_for_several_cores_and_fit_the_cache(n, each, least, expected, monkeypatch):
    monkeypatch.setattr(bilinear, "IN_CACHE", 1000)
    assert sizes(bilinear._few(n, each, least), n) == expected


@examples(60)
@given(any_suited)
def test_one_row_of_tiles_or_one_image_at_a_time_by_several_threads_is_the_same(both):
    algorithm, c = both
    x, w, y = c.map(), c.weights(), c.result()
    whole = all_maps(algorithm, c, x, w, y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bilinear, "IN_CACHE", 1)
        found = all_maps(algorithm, c, x, w, y)
        patch.setattr(workers, "SMALLEST", 0)
        with mg.config(threads=3):
            bits = all_maps(algorithm, c, x, w, y)
    for a, b, expected in zip(found, bits, whole, strict=True):
        close(a, expected, 1e-14)
        np.testing.assert_array_equal(a, b)


def test_weights_are_transformed_to_several_products_at_a_time(monkeypatch):
    c, counts, made = at((8, 8), (3, 3), (1, 1), "same"), [], bilinear.Weights.made
    monkeypatch.setattr(bilinear, "IN_CACHE", 1)
    monkeypatch.setattr(
        bilinear.Weights, "made", lambda u, r, *a: counts.append(r.stop - r.start) or made(u, r, *a)
    )
    all_maps(winograd, c, c.map(), c.weights(), c.result())
    assert set(counts) == {bilinear.R_AT_LEAST} and sum(counts) == 4 * 36


# Bits, dtypes and layouts


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_shapes_give_the_same_bits(algorithm, dtype):
    c = dataclasses.replace(at((11, 9), (3, 3), (1, 1), "same", 1, (5, 3)), images=3)
    operands = [a.astype(dtype) for a in (c.map(), c.weights(), c.result())]
    first = results(algorithm, c, *operands)
    np.full(10**6, np.nan)  # what the next empty arrays may find
    for found, expected in zip(results(algorithm, c, *operands), first, strict=True):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def spatial(a):
    """The same array, (H, W, N, C) in memory."""
    return np.ascontiguousarray(a.transpose(1, 2, 0, 3)).transpose(2, 0, 1, 3)


@both
def test_maps_come_out_with_positions_first_in_memory(algorithm):
    c = at((8, 6), (3, 3), (1, 1), "same")
    forward, back, weights = results(algorithm, c, c.map(), c.weights(), c.result())
    assert forward.transpose(1, 2, 0, 3).flags.c_contiguous
    assert back.transpose(1, 2, 0, 3).flags.c_contiguous
    assert weights.flags.c_contiguous


@examples(40)
@given(any_suited)
def test_operands_of_any_layout_are_read_and_left_alone(both):
    algorithm, c = both
    operands = c.map(), c.weights(), c.result()
    expected = results(algorithm, c, *operands)
    layouts = (
        lambda a: spatial(a),
        lambda a: np.asfortranarray(a),
        lambda a: np.flip(np.flip(a).copy()),
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    )
    for layout in layouts:
        turned = [layout(a) for a in operands]
        for a in turned:
            a.flags.writeable = False
        for found, wanted in zip(results(algorithm, c, *turned), expected, strict=True):
            close(found, wanted, 1e-14)


# Accuracy


LAYERS = [
    ((7, 7), 5, 1, (256, 128)),
    ((14, 14), 5, 2, (64, 128)),
    ((28, 28), 5, 1, (16, 16)),
    ((14, 14), 3, 1, (128, 128)),
    ((28, 28), 3, 1, (32, 64)),
    ((9, 9), 3, 1, (1, 1)),
    ((16, 16), 5, 2, (128, 256)),
    ((16, 16), 4, 2, (64, 128)),
]


@pytest.mark.parametrize(
    ("algorithm", "bound"), [(convolution, 1e-6), (dft, 2e-6), (winograd, 1e-5)]
)
def test_float32_errs_by_no_more_than_the_docstring_says(algorithm, bound):
    worst = 0.0
    for size, taps, stride, channels in LAYERS:
        c = dataclasses.replace(
            at(size, (taps, taps), (stride, stride), "same", 1, channels), images=2
        )
        if algorithm is winograd and not winograd.applies(window_of(c)):
            continue
        operands = [values(i, a.shape) for i, a in enumerate((c.map(), c.weights(), c.result()))]
        operands = [a.astype(np.float32) for a in operands]
        exact = results(convolution, c, *(a.astype(np.float64) for a in operands))
        for found, wanted in zip(results(algorithm, c, *operands), exact, strict=True):
            worst = max(worst, np.abs(found - wanted).max() / np.abs(wanted).max())
    assert bound / 100 < worst < bound


# Weights that stay as they are


@examples(40)
@given(any_suited)
def test_weights_that_stay_are_transformed_once_to_the_same_result(both):
    algorithm, c = both
    x, w, y, where = c.map(), c.weights(), c.result(), window_of(c)

    expected, made = all_maps(algorithm, c, x, w, y), []
    with pytest.MonkeyPatch.context() as patch:
        taps = bilinear._taps
        patch.setattr(bilinear, "_taps", lambda *a: made.append(a[0].shape) or taps(*a))
        with bilinear.weights_unchanged():
            found = all_maps(algorithm, c, x, w, y)
    for a, b in zip(found, expected, strict=True):
        close(a, b, 1e-14)
    assert len(made) == 2 * c.groups  # as they are, and turned
    changed = 2 * w  # another array, in a block of its own
    with bilinear.weights_unchanged():
        close(algorithm.convolve(x, changed, where, c.groups), 2 * expected[0])
    w *= 2  # and the same one after the block
    close(algorithm.convolve(x, w, where, c.groups), 2 * expected[0])


def test_large_transforms_of_weights_are_not_kept(monkeypatch):
    c = at((7, 7), (5, 5), (1, 1), "same")
    x, w, size = c.map(), c.weights(), 121 * 1 * 2  # products, channels in and out
    for limit, count in ((size, 1), (size - 1, 0)):
        monkeypatch.setattr(bilinear, "KEPT", limit)
        with bilinear.weights_unchanged():
            dft.convolve(x, w, window_of(c), 1)
            assert len(bilinear._weights_kept.get()) == count


def test_kept_weights_are_of_their_block_and_thread():
    c = at((7, 7), (5, 5), (1, 1), "same")
    x, w = c.map(), c.weights()
    with bilinear.weights_unchanged():
        dft.convolve(x, w, window_of(c), 1)
        with bilinear.weights_unchanged():
            assert bilinear._weights_kept.get() == {}
        assert len(bilinear._weights_kept.get()) == 1
        found = []
        thread = threading.Thread(target=lambda: found.append(bilinear._weights_kept.get()))
        thread.start()
        thread.join()
        assert found == [None]
    assert bilinear._weights_kept.get() is None
