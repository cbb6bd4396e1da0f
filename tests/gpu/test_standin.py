"""The stand-in refuses what CuPy refuses, and CuPy, where it is installed, refuses it too.

What needs no driver is asked of both: CuPy can make an array of no elements without one.
"""

from __future__ import annotations

import numpy as np
import pytest
import standin

import minigan as mg
from minigan import ops


@pytest.fixture(params=["standin", "cupy"])
def library(request):
    """The stand-in, and the real one."""
    return standin.cupy if request.param == "standin" else pytest.importorskip("cupy")


@pytest.fixture
def array(library):
    """Makes arrays of no elements."""

    def make(*shape, dtype="float32"):
        if library is standin.cupy:
            return library.empty(shape, dtype)
        memory = library.cuda.UnownedMemory(0, 0, None, 0)
        return library.ndarray(shape, dtype, library.cuda.MemoryPointer(memory, 0))

    return make


# Asked of both


@pytest.mark.parametrize("convert", [np.asarray, np.array])
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # CuPy's, by newer NumPy
def test_arrays_do_not_turn_into_numpys_by_themselves(array, convert):
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
        convert(array(0))


def test_arrays_are_no_indices_and_have_no_hash(array):
    with pytest.raises(TypeError):
        [1, 2][array()]
    with pytest.raises(TypeError):
        hash(array(0))
    with pytest.raises(TypeError):
        len(array())


def test_nothing_is_read_only(array):
    assert array(0).flags.c_contiguous and array(0, 2).T.flags.f_contiguous
    assert not hasattr(array(0).flags, "writeable")


def test_numpys_arrays_are_not_written_into_arrays(array):
    for index in (..., slice(None), 0):
        with pytest.raises(ValueError, match=r"non-scalar numpy\.ndarray cannot be used for fill"):
            array(2, 0)[index] = np.zeros(0, "float32")


@pytest.mark.parametrize("name", ["sum", "max", "min", "mean", "any"])
def test_reductions_take_neither_where_nor_initial(array, name):
    for extra in ({"where": True}, {"initial": 0}):
        with pytest.raises(TypeError, match="argument"):
            getattr(array(0, 2), name)(**extra)


def test_functions_of_elements_take_few_keywords(library, array):
    a = array(0)
    for extra in ({"where": True}, {"order": "C"}, {"subok": True}):
        with pytest.raises(TypeError, match="Wrong arguments"):
            library.add(a, a, **extra)


def test_a_product_is_not_told_its_result_by_place(library, array):
    with pytest.raises(TypeError):
        library.matmul(array(2, 0), array(0, 3), array(2, 3))


def test_views_know_whose_they_are(library, array):
    a = array(2, 0)
    views = [a.view(), a[None], a[:, ::-1], a.T, a.reshape(0), library.broadcast_to(a, (3, 2, 0))]
    assert all(view.base is a and view.view().base is a for view in views)
    assert library.lib.stride_tricks.as_strided(a, (2, 0), (4, 4)).base is None
    assert a.astype("float32", copy=False) is a and a.base is None


def test_numpys_functions_find_cupys(array):
    assert np.shape(array(2, 0)) == (2, 0) and np.ndim(array(2, 0)) == 2


def test_tensors_have_a_say_in_operators(array):
    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return ufunc, method, inputs

    a, other = array(0), Other()
    for found, ufunc in [(a + other, np.add), (a @ other, np.matmul), (a > other, np.greater)]:
        assert found[0] is ufunc and found[1] == "__call__" and found[2][1] is other


@pytest.mark.parametrize("name", ["errstate", "block", "insert", "nditer", "nanpercentile"])
def test_names_that_cupy_has_not(library, name):
    assert hasattr(np, name) and not hasattr(library, name)


# Asked of the stand-in: CuPy needs a GPU to answer


@pytest.fixture
def x(cupy):
    if cupy is not standin.cupy:
        pytest.skip("of the stand-in alone")
    return cupy.asarray(np.arange(6.0).reshape(2, 3))


def test_operands_of_numpy_are_refused(x):
    y = np.ones((2, 3))
    for operate in (
        lambda: x + y,
        lambda: y + x,
        lambda: x @ y.T,
        lambda: np.multiply(x, y),
        lambda: x > y,
        lambda: standin.cupy.add(x, np.array(1.0)),
        lambda: standin.cupy.concatenate([x, y]),
        lambda: x.__iadd__(y),
    ):
        with pytest.raises(TypeError, match="Unsupported type <class 'numpy.ndarray'>"):
            operate()


def test_results_of_no_axes_are_arrays(x):
    for result in (x.sum(), x[0, 0], x.max(), standin.cupy.vdot(x, x), x.reshape(-1)[2]):
        assert type(result) is standin.ndarray and result.shape == ()
    x[0, 0].fill(7)
    assert x.get()[0, 0] == 7


def test_waiting_is_counted_and_can_be_forbidden(x):
    one, mask = x[0, 1], x > 1
    waits = [
        lambda: float(one),
        lambda: int(one),
        lambda: bool(one),
        lambda: one.item(),
        lambda: x.get(),
        lambda: x.tolist(),
        lambda: standin.cupy.asnumpy(x),
        lambda: repr(x),
        lambda: 1 if one > 0 else 0,
        lambda: x[mask],
        lambda: standin.cupy.where(mask),
    ]
    with standin.counted() as counts:
        for wait in waits:
            wait()
    assert counts.waits == len(waits)
    assert [i.get().tolist() for i in standin.cupy.where(mask)] == [[0, 1, 1, 1], [2, 0, 1, 2]]
    for wait in waits:
        with standin.no_sync(), pytest.raises(AssertionError, match="waits for the GPU"):
            wait()
    with standin.no_sync():
        x[mask] = 0.0  # how many there are need not be known
        standin.cupy.tanh(x + one).sum(axis=0)


def test_indices_out_of_range_wrap_around(x):
    assert x[:, np.array([0, 4])].get().tolist() == [[0, 1], [3, 4]]
    assert x[[5, -1], [1, 1]].get().tolist() == [4, 4]
    assert standin.cupy.take_along_axis(x, standin.cupy.asarray([[3], [2]]), 1).get().tolist() == [
        [0],
        [5],
    ]
    with pytest.raises(IndexError):
        x[2]


def test_memory_that_was_not_written_is_not_zero(cupy, x):
    assert np.isnan(cupy.empty((2,)).get()).all() and np.isnan(cupy.empty_like(x).get()).all()


def test_arrays_of_another_gpu_are_refused(cupy, x):
    with cupy.cuda.Device(1):
        with pytest.raises(ValueError, match=r"resides \(0\) is different .* device \(1\)"):
            x + 1
        assert (cupy.asarray(x) + 1).device.id == 1
    assert (x + 1).device.id == 0
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        cupy.cuda.Device(standin.GPUS).use()


def test_numpys_functions_go_through_cupys_names(cupy, x):
    assert type(np.concatenate([x, x])) is standin.ndarray
    assert type(np.tanh(x)) is standin.ndarray
    for function in (np.cumsum, np.nanmax, np.hypot):  # of which the engine has no need
        with pytest.raises(TypeError):
            function(*[x] * (2 if function is np.hypot else 1))


def test_einsum_is_not_told_where_to_write(cupy, x):
    with pytest.raises(TypeError, match="Did not understand"):
        cupy.einsum("ij->ji", x, out=x.T)


def test_arrays_come_before_tensors(cupy, x):
    t = mg.Tensor(np.ones((2, 3)), device="cuda", requires_grad=True)
    for result in (x + t, x * t, t - x, np.maximum(x, t), ops.where(x > 2, x, t)):
        assert isinstance(result, mg.Tensor) and result.requires_grad
        assert result.device == "cuda:0"


# Of captures


@pytest.fixture
def capture(cupy, x):
    """Captures what a function asks for, and launches it; a function that launches again."""

    def capture(ask):
        stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
        stream.wait_event(cupy.cuda.get_current_stream().record())
        with stream, cupy.cuda.using_allocator(pool.malloc):
            stream.begin_capture()
            try:
                ask()
            finally:
                graph = stream.end_capture()

        def launch():
            graph.launch()
            cupy.asnumpy(x)

        return launch

    return capture


def test_in_a_capture_nothing_is_done_until_it_is_launched(cupy, x, capture):
    rate, made = [1.0], []

    def ask():
        made.append((x * rate[0]).sum(axis=0)[::-1])
        x[0, 1:] += made[0][:2]
        x[1] = x[0]

    before = x.get()
    launch = capture(ask)
    assert (x.get() == before).all() and np.isnan(made[0].get()).all()
    rate[0] = 100.0  # the graph has its own
    for _ in range(2):
        launch()
        sums = before.sum(axis=0)[::-1]
        assert (made[0].get() == sums).all()
        before[0, 1:] += sums[:2]
        before[1] = before[0]
        assert (x.get() == before).all()


def test_a_capture_refuses_what_cupy_does(cupy, x, capture):
    mask, many = x > 2, [x] * 9
    for ask in (
        lambda: float(x.sum()),
        lambda: x.get(),
        lambda: bool(mask.any()),
        lambda: cupy.asarray(np.ones(3)),
        lambda: cupy.asarray(1.0),
        lambda: x[[0, 1]],
        lambda: x[np.array([0, 1])],
        lambda: x[mask],
        lambda: x.__setitem__(mask, 0.0),
        lambda: cupy.where(mask),
        lambda: cupy.concatenate(many),
        lambda: cupy.stack(many),
        lambda: cupy.argsort(x),
        lambda: x.set(np.ones((2, 3))),
        lambda: cupy.cuda.get_current_stream().record(),
    ):
        with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureUnsupported"):
            capture(ask)
    for ask in (lambda: x @ x.T, lambda: cupy.matmul(x, x.T), lambda: cupy.einsum("ij->i", x)):
        with pytest.raises(NotImplementedError, match="cuBLAS"):
            capture(ask)
    capture(lambda: cupy.concatenate(many[:8]))
    with pytest.raises(RuntimeError, match="Unsupported"):
        cupy.cuda.Stream().begin_capture()


def test_a_graphs_memory_is_its_own(cupy, x):
    stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
    stream.wait_event(cupy.cuda.get_current_stream().record())
    with stream:
        stream.begin_capture()
        with pytest.raises(AssertionError, match="of the pool that others use"):
            x + 1
        with cupy.cuda.using_allocator(pool.malloc):
            x + 1
            stream.end_capture()
            with pytest.raises(AssertionError, match="memory of a graph is used by others"):
                x + 1


def test_two_streams_wait_for_each_other(cupy, x):
    stream = cupy.cuda.Stream(non_blocking=True)
    y = x + 1
    with stream, pytest.raises(AssertionError, match="two streams work at once"):
        y + 1
    stream.wait_event(cupy.cuda.get_current_stream().record())
    with stream:
        y += 1
    with pytest.raises(AssertionError, match="two streams work at once"):
        y + 1
    with stream:
        y.get()
    y + 1
