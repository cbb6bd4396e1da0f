"""Products of matrices by cuBLAS: every layout, and the precision that is asked for."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import minigan as mg
from minigan.kernels import gemm

EXACT = {"float32": 1e-5, "float64": 1e-13}


def moved(cupy, array, layout="rows"):
    """A matrix on the GPU, with such strides."""
    if layout.startswith("turned "):
        return moved(cupy, array.T, layout.removeprefix("turned ")).T
    if layout == "part":
        return cupy.asarray(np.pad(array, ((0, 1), (2, 3))))[: len(array), 2:-3]
    if layout == "spread":
        return cupy.asarray(np.repeat(array, 2, axis=1))[:, ::2]
    if layout == "backwards":
        return cupy.asarray(array[::-1].copy())[::-1]
    return cupy.asarray(array)


LAYOUTS = ["rows", "turned rows", "part", "turned part", "spread", "backwards"]


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_every_layout(cupy, left, right, dtype):
    for m, k, n in [(3, 4, 5), (1, 4, 1), (4, 1, 3), (1, 1, 1), (2, 3, 1), (1, 2, 3)]:
        rng = np.random.default_rng(0)
        a, b = (rng.normal(size=shape).astype(dtype) for shape in ((m, k), (k, n)))
        for into in ("rows", "part", "turned rows", "spread"):
            out = moved(cupy, np.zeros((m, n), dtype), into)
            assert gemm.matmul(moved(cupy, a, left), moved(cupy, b, right), out) is out
            np.testing.assert_allclose(out.get(), a @ b, EXACT[dtype], EXACT[dtype])


@pytest.mark.parametrize("m, k, n", [(0, 2, 3), (2, 0, 3), (2, 3, 0), (0, 0, 0)])
def test_products_of_nothing(cupy, m, k, n):
    out = cupy.empty((m, n), "float32")
    gemm.matmul(cupy.zeros((m, k), "float32"), cupy.zeros((k, n), "float32"), out)
    assert out.get().tolist() == np.zeros((m, n)).tolist()


STACKS = [
    ((3, 4, 5), (3, 5, 2)),
    ((1, 4, 5), (3, 5, 2)),
    ((2, 1, 4, 5), (3, 5, 2)),
    ((4, 5), (3, 5, 2)),
    ((2, 3, 1, 5), (2, 3, 5, 1)),
    ((3, 4, 1), (3, 1, 2)),
    ((0, 4, 5), (0, 5, 2)),
    ((3, 4, 0), (3, 0, 2)),
    ((3, 0, 5), (3, 5, 2)),
]


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("left, right", STACKS)
def test_stacks_of_matrices(cupy, left, right, dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(dtype) for shape in (left, right))

    def ways(x):
        """x on the GPU: as it comes, its matrices turned, with gaps, and from its end."""
        yield cupy.asarray(x)
        yield cupy.asarray(x.swapaxes(-2, -1).copy()).swapaxes(-2, -1)
        yield cupy.asarray(np.repeat(x, 2, axis=0))[::2]
        yield cupy.asarray(np.repeat(x, 2, axis=-1))[..., ::2]
        yield cupy.asarray(x[::-1].copy())[::-1]

    for one in ways(a):
        for other in ways(b):
            found = gemm.stacked(one, other)
            assert found.dtype == dtype and found.shape == (a @ b).shape
            np.testing.assert_allclose(found.get(), a @ b, EXACT[dtype], EXACT[dtype])


def test_gradients_of_stacks(cupy):
    def gradients(a, b):
        a, b = (mg.Tensor(t, requires_grad=True) for t in (a, b))
        found = mg.grad((mg.matmul(a, b) ** 2).sum(), [a, b])
        return mg.ops.concatenate([g.reshape(-1) for g in found])

    rng = np.random.default_rng(0)
    stacks = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 5, 2))
    assert error(cupy, gradients, *stacks, dtype="float64") < 1e-12
    with mg.config(precision="tf32"):
        assert 1e-5 < error(cupy, gradients, *stacks) < 1e-2


def error(cupy, function, *arrays, dtype="float32"):
    """The error of a function on the GPU, over the norm of its value in float64."""
    wanted = function(*[mg.Tensor(a) for a in arrays]).numpy()
    found = function(*[mg.Tensor(a.astype(dtype), device="cuda") for a in arrays]).numpy()
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def problems():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 6, 6, 8)), rng.normal(size=(3, 3, 8, 4))
    a, b = rng.normal(size=(20, 30)), rng.normal(size=(30, 10))
    return {"convolution": (mg.ops.conv2d, x, w), "dense": (mg.ops.matmul, a, b)}


BITS = {"ieee": (1e-8, 1e-6), "tf32": (1e-5, 1e-3), "bf16": (1e-3, 1e-2)}


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("problem", problems())
def test_float32_is_multiplied_as_told(cupy, problem, name):
    low, high = BITS[name]
    with mg.config(precision=name):
        assert low < error(cupy, *problems()[problem]) < high
        assert error(cupy, *problems()[problem], dtype="float64") < 1e-12


@pytest.mark.parametrize("problem, name", [("convolution", "tf32"), ("dense", "ieee")])
def test_convolutions_are_tf32_by_themselves(cupy, problem, name):
    low, high = BITS[name]
    assert low < error(cupy, *problems()[problem]) < high


def test_gradients_of_convolution_too(cupy):
    _, x, w = problems()["convolution"]

    def gradients(x, w):
        x, w = (mg.Tensor(t, requires_grad=True) for t in (x, w))
        found = mg.grad((mg.ops.conv2d(x, w) ** 2).sum(), [x, w])
        return mg.ops.concatenate([g.reshape(-1) for g in found])

    with mg.config(precision="ieee"):
        assert error(cupy, gradients, x, w) < 1e-6
    assert 1e-5 < error(cupy, gradients, x, w) < 1e-3


def test_each_thread_and_gpu_has_a_handle_of_its_own(cupy):
    handles = []

    def ask():
        handles.append(gemm._handle(cupy))

    for run in (threading.Thread(target=ask), threading.Thread(target=ask)):
        run.start()
        run.join()
    ask()
    ask()
    assert len({id(handle) for handle in handles}) == 3 and handles[2] is handles[3]


def test_a_handle_goes_with_its_thread(cupy):
    library = gemm._handle(cupy).library
    if not hasattr(library, "handles"):
        pytest.skip("the real library does not tell")
    before = library.handles()
    thread = threading.Thread(target=lambda: gemm._handle(cupy))
    thread.start()
    thread.join()
    assert library.handles() == before


def test_what_the_library_refuses_is_an_error(cupy):
    matrix, number = (None, 0, 1), None
    with pytest.raises(RuntimeError, match="cublasGemmEx returned status 7"):
        gemm._handle(cupy).call(
            "cublasGemmEx", 0, 0, -1, 1, 1, number, *matrix, *matrix, number, *matrix, 68, -1
        )
