"""The GPU's kernels against their NumPy twins: run by the processor, and compiled for a GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import host_kernels
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import close
from strategies import examples

from minigan import optim
from minigan.kernels import cuda, normalization, rectifier, windows
from minigan.ops import binary_cross_entropy_with_logits
from minigan.ops.geometry import window
from minigan.random import Stream
from minigan.tensor import Tensor
from minigan.testing.strategies import convolutions, values

SOURCE = Path(cuda.__file__).with_suffix(".cu")
NVCC = shutil.which("nvcc")


@pytest.fixture(autouse=True)
def compiler():
    if host_kernels.COMPILER is None:
        pytest.skip("no C++ compiler")


@pytest.fixture(scope="module", autouse=True)
def on_the_processor():
    """Launches go to the kernels as a C++ compiler made them, and take NumPy's arrays."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "RawModule", host_kernels.RawModule, raising=False)
        yield


def window_of(c):
    return window(c.size, c.taps, c.stride, c.padding, c.dilation)


@examples(60)
@given(convolutions(), st.sampled_from(["float32", "float64"]), st.booleans())
def test_columns(c, dtype, strided):
    x, where = c.map().astype(dtype), window_of(c)
    if strided:
        x = np.repeat(np.ascontiguousarray(x.transpose(3, 0, 1, 2)), 2, axis=1)[:, ::2]
        x = x.transpose(1, 2, 3, 0)
    found = cuda.columns(x, windows._numbers(where, where.positions(c.size)))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, windows.columns(x, where))


@examples(60)
@given(convolutions(), st.sampled_from(["float32", "float64"]))
def test_scatter_adds_in_the_same_order(c, dtype):
    where = window_of(c)
    shape = (len(c.map()), *where.positions(c.size), *c.taps, c.c_in)
    pieces = values(c.seed + 3, shape).astype(dtype)
    found = cuda.scatter(pieces, windows._numbers(where, where.positions(c.size)), c.size)
    np.testing.assert_array_equal(found, windows.scatter(pieces, where, c.size))


LAYOUTS = {
    "in fours": lambda x: (x, True),
    "some channels": lambda x: (x[..., 4:12], True),
    "from the second": lambda x: (x[..., 1:9], False),
    "every other": lambda x: (x[..., ::2], False),
    "of six": lambda x: (x[..., :6], False),
    "images last": lambda x: (x.transpose(3, 1, 2, 0), False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_four_channels_at_a_time(monkeypatch, layout, dtype):
    launched, launch = [], cuda._launch
    monkeypatch.setattr(cuda, "_launch", lambda *a, **k: (launched.append(a[0]), launch(*a, **k)))
    x, in_fours = LAYOUTS[layout](values(0, (16, 5, 6, 16)).astype(dtype))
    where = window(x.shape[1:3], (3, 2), (2, 1), "same", (1, 2))
    numbers = windows._numbers(where, where.positions(x.shape[1:3]))
    found = cuda.columns(x, numbers)
    np.testing.assert_array_equal(found, windows.columns(x, where))
    back = cuda.scatter(found, numbers, x.shape[1:3])
    np.testing.assert_array_equal(back, windows.scatter(found, where, x.shape[1:3]))
    assert launched[0] == "columns" + "_of_four" * in_fours
    assert launched[1] == "scatter" + "_of_four" * (x.shape[3] % 4 == 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape, index",
    [
        ((5,), np.array([3, 0, 3, 3])),
        ((4, 3), np.array([[2, 0, 2], [1, 2, 2]])),
        ((4, 3), (slice(None), np.array([0, 0, -1]))),
        ((4, 3), (np.array([0, 1, 1]), np.array([2, 2, 2]))),
        ((2, 3), np.array([[True, False, True], [False, True, False]])),
        ((4, 3), np.zeros(0, int)),
        ((0, 3), np.zeros(0, int)),
    ],
    ids=str,
)
def test_adding_at_places_that_repeat(shape, index, dtype):
    picked = values(1, np.zeros(shape)[index].shape).astype(dtype)
    wanted = np.zeros(shape, dtype)
    places = np.arange(wanted.size).reshape(shape)[index]
    for place, value in zip(places.flat, picked.flat, strict=True):
        wanted.flat[place] += value
    np.testing.assert_array_equal(cuda.add_at(picked, index, shape), wanted)


@pytest.fixture(params=[(1, 1), (4, 3), (128, 32)], ids=str)
def parts(request, monkeypatch):
    """Rows that one thread sums up, and sums that one does then."""
    monkeypatch.setattr(cuda, "ROWS", request.param[0])
    if request.param[1] > 1:  # or the parts would never become fewer
        monkeypatch.setattr(cuda, "FAN", request.param[1])


@pytest.mark.parametrize("n, c", [(1, 1), (2, 3), (5, 1), (37, 4), (300, 5)])
def test_moments_and_gradient_of_batch_norm(parts, n, c):
    x, g = values(1, (n, c)) * 3 + 100, values(2, (n, c))
    mean, variance = cuda.column_moments(x)
    close(mean, x.mean(axis=0))
    close(variance, x.var(axis=0))
    centre, scale, shift = values(3, (3, c))
    found = np.empty_like(x)
    cuda.standardize(x, found, centre, scale, shift)
    close(found, scale * (x - centre) + shift)
    for slope in (1.0, 0.3, 0.0, 1.5):
        norm = scale, shift, mean, variance, 0.1, slope
        cuda.normalize(x, found, *norm)
        close(found, normalization.normalize(x, *norm))
        of_gamma, of_beta = cuda.normalize_gradient(g, x, found, *norm)
        for got, wanted in zip(
            (found, of_gamma, of_beta), normalization.normalize_gradient(g, x, *norm), strict=True
        ):
            close(got, wanted)


SPECIAL = np.array([0.0, -0.0, 1e-300, -1e-300, 5.0, -5.0, 800.0, -800.0, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("x", [SPECIAL, values(1, (3, 4)).T, np.array(-2.0)], ids=np.shape)
def test_a_leaky_relu_and_its_gradient(x, slope):
    wanted = np.empty_like(x)
    rectifier.bend(x, slope, wanted)
    np.testing.assert_array_equal(cuda.bend(x, slope), wanted)
    g, signs = values(2, x.shape), np.nan_to_num(x)
    rectifier.gate(g, signs, slope, wanted)
    np.testing.assert_array_equal(cuda.gate(g, signs, slope), wanted)


@pytest.mark.parametrize("target", [0.0, 0.9, 1.0])
def test_cross_entropy_and_its_slope(target):
    x = np.append(values(1, (9,)) * 5, SPECIAL[:8])
    wanted = [binary_cross_entropy_with_logits(Tensor(one), target).item() for one in x]
    np.testing.assert_allclose(cuda.cross_entropy(x, target), wanted, 1e-14)
    t = Tensor(x, requires_grad=True)
    (binary_cross_entropy_with_logits(t, target) * x.size).backward()
    np.testing.assert_allclose(cuda.cross_entropy_slope(x, target), t.grad.numpy(), 1e-14)


def test_moments_keep_their_digits_in_float32():
    x = (values(1, (50_000, 2)) + 1000).astype("float32")
    mean, variance = cuda.column_moments(x)
    assert mean.dtype == variance.dtype == "float32"
    wide = x.astype("float64")
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=2e-7)  # 2 units in the last place
    np.testing.assert_allclose(variance, wide.var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "optimizer",
    [
        optim.SGD(0.1),
        optim.SGD(0.1, momentum=0.9, weight_decay=0.1),
        optim.SGD(0.1, momentum=0.9, nesterov=True),
        optim.RMSprop(0.1),
        optim.RMSprop(0.1, momentum=0.5, rho=0.7),
        optim.Adam(0.1),
        optim.Adam(0.1, beta1=0.0, beta2=0.9, weight_decay=0.1),
        optim.Adam(0.1, amsgrad=True),
    ],
    ids=lambda optimizer: str(list(optimizer.describe().values())),
)
def test_optimisers_step_as_on_the_processor(optimizer, dtype, monkeypatch):
    first = values(1, (3, 5)).astype(dtype)

    def stepped():
        weight = Tensor(first.copy(), requires_grad=True)
        bound = optimizer.unbound().bind([weight])
        for k in range(5):
            bound.step([values(2 + k, (5, 3)).astype(dtype).T * (k != 3)])
        return {"weight": weight.numpy(), **bound.state}

    wanted = stepped()
    monkeypatch.setattr(cuda, "has_kernels", lambda array: True)
    launched = []
    launch = cuda._launch
    monkeypatch.setattr(cuda, "_launch", lambda *a, **k: (launched.append(a[0]), launch(*a, **k)))
    found = stepped()
    assert launched == [type(optimizer).__name__.lower()] * 5
    for name, array in wanted.items():
        tolerance = 1e-6 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(found[name], array, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name, slots", [("sgd", 1), ("rmsprop", 2), ("adam", 3)])
def test_an_optimiser_that_may_not_go_changes_nothing(name, slots):
    arrays = [values(k, (3, 5)) for k in range(2 + slots)]
    before = [array.copy() for array in arrays]
    numbers, go = np.full(8, 0.5), np.zeros(1)
    cuda.update(name, [arrays], numbers, go)
    np.testing.assert_array_equal(arrays, before)
    cuda.update(name, [arrays], numbers, go + 1)
    changed = [not np.array_equal(a, b) for a, b in zip(arrays, before, strict=True)]
    assert changed == [True, False, *[True] * slots]


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (3, 1, 7, 2, 64), (5, 1000, 1)])
def test_all_parameters_are_updated_in_one_launch(sizes, monkeypatch):
    def stepped():
        weights = [Tensor(values(k, (n,)), requires_grad=True) for k, n in enumerate(sizes)]
        bound = optim.Adam(0.1).bind(weights)
        for k in range(3):
            gradients = [values(9 + k + i, (2 * n,))[::2] for i, n in enumerate(sizes)]
            gradients[k % 2 :: 5] = [None] * len(gradients[k % 2 :: 5])  # that have none, stay
            bound.step(gradients)
        return {**{str(i): w.numpy() for i, w in enumerate(weights)}, **bound.state}

    wanted = stepped()
    monkeypatch.setattr(cuda, "has_kernels", lambda array: True)
    launched, launch = [], cuda._launch
    monkeypatch.setattr(cuda, "_launch", lambda *a, **k: (launched.append(a[0]), launch(*a, **k)))
    found = stepped()
    assert set(launched) == {"adam"} and len(launched) <= 3
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-13, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_average_follows(dtype):
    average, weight = (values(k, (3, 5)).astype(dtype) for k in (1, 2))
    wanted = average + (weight - average) * average.dtype.type(0.3)
    cuda.follow(average, weight.T.copy().T, np.array([0.3]), np.zeros(1))
    assert not np.allclose(average, wanted)
    cuda.follow(average, weight.T.copy().T, np.array([0.3]))
    np.testing.assert_allclose(average, wanted, rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 3])
def test_go_is_given_up_for_good(place, bad):
    sums, go = values(1, (4,)).astype("float32") * 1e38, np.ones(1)
    if bad is not None:
        sums[place] = bad
    cuda.go_if_finite(sums, go)
    assert go[0] == (bad is None)
    cuda.go_if_finite(np.zeros(2, "float32"), go)
    assert go[0] == (bad is None)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
def test_a_copy_is_kept(dtype):
    first, second = ((values(k, (4, 3)) * 100).astype(dtype) for k in (1, 2))
    copy = first.copy()
    cuda.keep(copy, second.T.copy().T, np.zeros(1))
    np.testing.assert_array_equal(copy, first)
    cuda.keep(copy, second.T.copy().T, np.ones(1))
    np.testing.assert_array_equal(copy, second)


@given(st.integers(0, 9), st.integers(0, 2**40))
def test_philox_takes_a_step_that_is_known_later(draw, step):
    stream, later = Stream(3, "test", step), np.array([float(step)])
    found = cuda.philox(np, 9, stream._key, draw, 12345, later)
    np.testing.assert_array_equal(found, cuda.philox(np, 9, stream._key, draw, step))


@given(st.integers(0, 20), st.integers(0, 2**64 - 1), st.integers(0, 9), st.integers(0, 2**40))
def test_philox_has_the_bits_of_a_stream(count, seed, draws, step):
    stream = Stream(seed, "test", step)
    for _ in range(draws):
        stream.words(1)
    found = cuda.philox(np, count, stream._key, draws, step)
    np.testing.assert_array_equal(found, stream.words(count))


def test_a_long_array_has_long_indices(monkeypatch):
    monkeypatch.setattr(cuda, "LONG", 10)
    asked = []
    module = cuda._module
    monkeypatch.setattr(cuda, "_module", lambda *a: (asked.append(a), module(*a))[1])
    cuda._kernel.cache_clear()
    x = values(1, (3, 4))
    close(cuda.column_moments(x)[1], x.var(axis=0))
    assert (np, "double", True) in asked


@pytest.mark.skipif(NVCC is None, reason="no nvcc")
@pytest.mark.parametrize("index", ["int", "long long"])
@pytest.mark.parametrize("real", cuda.REALS.values())
def test_every_kernel_compiles_for_a_gpu(tmp_path, real, index):
    cubin = tmp_path / "kernels.cubin"
    options = [
        "-arch=sm_90",
        "-cubin",
        f"-DREAL={real}",
        f"-DINDEX={index}",
        "-Werror=all-warnings",
    ]
    subprocess.run([NVCC, *options, "-o", cubin, SOURCE], check=True)
    assert cubin.stat().st_size > 0


def test_arrays_need_not_lie_in_one_piece():
    x, g = values(1, (20, 6))[::2, ::2], values(2, (3, 10)).T
    mean, variance = cuda.column_moments(x)
    close(mean, x.mean(axis=0))
    found = np.empty(x.shape)
    cuda.standardize(x, found, mean, np.broadcast_to(2.0, 3), np.float64(1.0))
    close(found, 2 * (x - mean) + 1)
    norm = np.broadcast_to(2.0, 3), values(3, (6,))[::2], mean, variance, 0.1, 0.3
    of_gamma, _ = cuda.normalize_gradient(g, x, found, *norm)
    wanted = normalization.normalize_gradient(g, x, *norm)
    close(found, wanted[0])
    close(of_gamma, wanted[1])
