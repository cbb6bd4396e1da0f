"""A stand-in for CuPy on NumPy, as strict as CuPy where that differs from NumPy.

With ``cupy`` of this module in ``sys.modules`` the engine's path for GPUs runs on the processor,
and what would go wrong on a GPU goes wrong here: arrays don't turn into NumPy's by themselves,
operands of both libraries don't mix, results of no axes are arrays, reductions take no ``where``,
memory that was not written is not zero, an index out of range wraps around, and what waits for the
GPU is counted. While a stream is captured nothing is computed: what was asked for is done when the
graph is launched, each time in the same memory with the same numbers, and what CuPy refuses then is
refused. There are the names and parameters that the engine and its tests need, written down below
as CuPy 14.2 has them (``tests/gpu/test_names.py`` compares them with an installed CuPy).
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import host_kernels
import numpy as np

FUNCTIONS = """
arange(start, stop=None, step=1, dtype=None)
argmax(a, axis=None, dtype=None, out=None, keepdims=False)
argsort(a, axis=-1, kind=None)
array_equal(a1, a2, equal_nan=False)
ascontiguousarray(a, dtype=None)
broadcast_to(array, shape)
clip(a, a_min, a_max, out=None)
concatenate(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
copyto(dst, src, casting='same_kind', where=None)
empty(shape, dtype=float, order='C')
empty_like(prototype, dtype=None, order='K', subok=None, shape=None)
eye(N, M=None, k=0, dtype=float, order='C')
fill_diagonal(a, val, wrap=False)
flip(a, axis=None)
full(shape, fill_value, dtype=None, order='C')
full_like(a, fill_value, dtype=None, order='K', subok=None, shape=None)
matmul(*args, axes=None, axis=None, keepdims=False, casting='same_kind', dtype=None, \
signature=None, order='K', out=None)
ndim(a)
ones(shape, dtype=float, order='C')
ones_like(a, dtype=None, order='K', subok=None, shape=None)
resize(a, new_shape)
roll(a, shift, axis=None)
shape(a)
shares_memory(a, b, max_work=None)
stack(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
take_along_axis(a, indices, axis)
transpose(a, axes=None)
vdot(a, b)
where(condition, x=None, y=None)
zeros(shape, dtype=float, order='C')
zeros_like(a, dtype=None, order='K', subok=None, shape=None)
"""

EINSUM = ("dtype", "optimize")  # keywords; in CuPy's signature it takes any

UFUNCS = """
absolute add cos divide equal exp expm1 greater greater_equal isfinite less less_equal log log1p
maximum minimum multiply negative not_equal power sign sin sqrt square subtract tanh
"""
UFUNC_KEYWORDS = ("out", "dtype", "casting")

METHODS = """
all(axis=None, out=None, keepdims=False)
any(axis=None, out=None, keepdims=False)
argmax(axis=None, out=None, dtype=None, keepdims=False)
argsort(axis=-1, kind=None)
clip(min=None, max=None, out=None)
diagonal(offset=0, axis1=0, axis2=1)
max(axis=None, out=None, keepdims=False)
mean(axis=None, dtype=None, out=None, keepdims=False)
min(axis=None, out=None, keepdims=False)
ravel(order='C')
repeat(repeats, axis=None)
reshape(*shape, order='C', copy=None)
squeeze(axis=None)
std(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
sum(axis=None, dtype=None, out=None, keepdims=False)
swapaxes(axis1, axis2)
transpose(*axes)
var(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
"""

GPUS, MEMORY = 2, 1 << 30


# What a test may look at


class Counts:
    """How often the processor waited for the GPU, and how many arrays were copied to it."""

    def __init__(self) -> None:
        self.waits = self.copies = 0


counts = Counts()
_waiting_is_allowed = True


@contextmanager
def counted() -> Iterator[Counts]:
    """Within the block, and after it: what was counted there."""
    global counts
    outer, counts = counts, Counts()
    try:
        yield counts
    finally:
        outer.waits, outer.copies = outer.waits + counts.waits, outer.copies + counts.copies
        counts = outer


@contextmanager
def no_sync() -> Iterator[None]:
    """Within the block nothing may wait for the GPU."""
    global _waiting_is_allowed
    before, _waiting_is_allowed = _waiting_is_allowed, False
    try:
        yield
    finally:
        _waiting_is_allowed = before


def _wait(what: str) -> None:
    _refuse_in_capture(what)
    counts.waits += 1
    Stream.works()
    Stream.busy.discard(get_current_stream())
    if not _waiting_is_allowed:
        raise AssertionError(f"{what} waits for the GPU")


# Devices


class CUDARuntimeError(RuntimeError):
    """CuPy's own for what the CUDA runtime says."""


class Device:
    """A GPU; new arrays are made on the current one, and only its arrays are computed with."""

    current = 0

    def __init__(self, device: int | None = None) -> None:
        self.id = Device.current if device is None else device

    def use(self) -> None:
        if not 0 <= self.id < GPUS:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        Device.current = self.id

    def __enter__(self) -> Device:
        self._before = Device.current
        self.use()
        return self

    def __exit__(self, *error: object) -> None:
        Device.current = self._before

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    __hash__ = None  # type: ignore[assignment]


class Graph:
    """What was captured: functions of no arguments, and the memory that they use."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.memory: list[np.ndarray] = []
        self.launches = 0

    def launch(self, stream: Stream | None = None) -> None:
        _refuse_in_capture("launching a graph")
        Stream.works()
        self.launches += 1
        for node in self.nodes:
            node()


class Stream:
    """An order of work; only one that does not block can be captured.

    Two may not work at once: one must have waited for what the other was asked for, as if each
    used what the other made.
    """

    current: list[Stream] = []
    busy: set[Stream] = set()
    """Those whose work the processor has not waited for."""
    captured: Graph | None = None
    """What is being captured now: by one stream at a time."""

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.ptr, self.device, self.is_null = 0 if null else id(self), Device.current, null
        self.is_non_blocking = non_blocking
        self.waited_for: set[Stream] = set()

    @staticmethod
    def works() -> None:
        """Called with all that is done, on the current stream."""
        if Stream.captured is not None:
            return
        now = get_current_stream()
        if Stream.busy - now.waited_for - {now}:
            raise AssertionError("two streams work at once")
        for other in Stream.busy:
            other.waited_for.discard(now)
        Stream.busy.add(now)

    def __enter__(self) -> Stream:
        if self.device != Device.current and not self.is_null:
            raise RuntimeError("the stream is of another device than the current one")
        Stream.current.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        Stream.current.pop()

    def record(self, event: Event | None = None) -> Event:
        _refuse_in_capture("an event of another order")
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        _refuse_in_capture("waiting for what is not captured")
        self.waited_for |= event.after

    def begin_capture(self, mode: int | None = None) -> None:
        if not self.is_non_blocking or Stream.captured is not None:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported")
        Stream.captured = Graph()

    def is_capturing(self) -> bool:
        return Stream.captured is not None and get_current_stream() is self

    def end_capture(self) -> Graph:
        graph, Stream.captured = Stream.captured, None
        if graph is None:
            raise CUDARuntimeError("cudaErrorIllegalState")
        if MemoryPool.current is not None:
            MemoryPool.current.is_of_a_graph = True
        return graph


NULL_STREAM = Stream(null=True)


def get_current_stream() -> Stream:
    return Stream.current[-1] if Stream.current else NULL_STREAM


def _refuse_in_capture(what: str) -> None:
    if Stream.captured is not None:
        raise CUDARuntimeError(f"cudaErrorStreamCaptureUnsupported: {what}")


class MemoryPool:
    """Where arrays are made. A graph writes to the memory of its pool whenever it is launched."""

    current: MemoryPool | None = None

    def __init__(self) -> None:
        self.is_of_a_graph = False

    def malloc(self, size: int) -> None:
        if self.is_of_a_graph:
            raise AssertionError("memory of a graph is used by others")


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    before, MemoryPool.current = MemoryPool.current, allocator.__self__
    try:
        yield
    finally:
        MemoryPool.current = before


def _made(values: np.ndarray) -> None:
    """Called with the memory of every new array."""
    if MemoryPool.current is not None:
        MemoryPool.current.malloc(values.nbytes)
    if Stream.captured is not None:
        if MemoryPool.current is None:
            raise AssertionError("a graph's memory is of the pool that others use")
        Stream.captured.memory.append(values)


def _done(node: Any) -> None:
    """Do it, or while a stream is captured whenever the graph is launched."""
    if Stream.captured is None:
        node()
    else:
        Stream.captured.nodes.append(node)


def _unknown(values: np.ndarray) -> None:
    """Memory as it comes is not zero."""
    values[...] = np.nan if values.dtype.kind == "f" else 1


class Event:
    """A moment of the processor's clock."""

    def record(self, stream: Stream | None = None) -> None:
        stream = stream or get_current_stream()
        self.time, self.after = time.perf_counter(), {stream} | stream.waited_for

    def synchronize(self) -> None:
        _wait("synchronize()")


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds."""
    return 1e3 * (end_event.time - start_event.time)


# Arrays


def _signature(text: str) -> inspect.Signature:
    return inspect.signature(eval(f"lambda {text}: None"))


def _table(text: str) -> dict[str, inspect.Signature]:
    lines = (line.rstrip(")").partition("(") for line in text.split("\n") if line)
    return {name: _signature(parameters) for name, _, parameters in lines}


def _values(value: Any) -> Any:
    """What NumPy is to compute with in place of an argument; NumPy's arrays are refused."""
    if isinstance(value, ndarray):
        if value.device.id != Device.current:
            raise ValueError(  # CuPy warns instead where one GPU can read the other's memory
                f"The device where the array resides ({value.device.id}) is different from the "
                f"current device ({Device.current}). Peer access is unavailable between these "
                "devices."
            )
        Stream.works()
        return value._values
    if isinstance(value, (list, tuple)):
        return type(value)(_values(one) for one in value)
    scalar = isinstance(value, (bool, int, float, complex, np.generic, str, type(None), np.dtype))
    if not (scalar or isinstance(value, type)):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _leaves(arguments: Any) -> Iterator[ndarray]:
    for value in arguments:
        if isinstance(value, ndarray):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _leaves(value)


SORTS = (np.argsort, np.ndarray.argsort)  # by a library that waits for them


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """NumPy's function of the arrays' values. Like a GPU, it warns of no overflow."""
    if function in SORTS:
        _refuse_in_capture("sorting")
    plain = {name: _values(value) for name, value in kwargs.items()}
    places = [_values(value) for value in args]

    def compute() -> Any:
        with np.errstate(all="ignore"):
            return function(*places, **plain)

    if Stream.captured is not None and (function in WRITERS or plain.get("out") is not None):
        _done(compute)
        return kwargs.get("out")
    return _wrapped(compute, *_leaves([*args, *kwargs.values()]))


def _wrapped(compute: Any, *sources: ndarray) -> Any:
    """The result as an array here: a source itself, a view of one, or of its own."""
    result = compute()
    if result is None or isinstance(result, tuple):  # a shape
        return result
    for source in sources:
        if result is source._values:
            return source
    values = np.asarray(result)
    for source in sources:
        if _owner(values) is _owner(source._values):
            return ndarray(values, source if source.base is None else source.base)
    if Stream.captured is not None:  # what it is was only its shape
        values = np.array(values)
        _unknown(values)
        _done(lambda: np.copyto(values, compute()))
    _made(values)
    return ndarray(values)


def _owner(values: np.ndarray) -> np.ndarray:
    while isinstance(values.base, np.ndarray):
        values = values.base
    return values


WRITERS = (np.copyto, np.fill_diagonal)  # into their first argument


class Flags:
    """Nothing on a GPU is read-only."""

    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous


class ndarray:  # noqa: N801 - CuPy's name
    """An array on a GPU, its values in one of NumPy's that nobody else sees."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, values: np.ndarray, base: ndarray | None = None) -> None:
        self._values, self.base, self.device = values, base, Device()

    dtype = property(lambda self: self._values.dtype)
    shape = property(lambda self: self._values.shape)
    strides = property(lambda self: self._values.strides)
    ndim = property(lambda self: self._values.ndim)
    size = property(lambda self: self._values.size)
    nbytes = property(lambda self: self._values.nbytes)
    itemsize = property(lambda self: self._values.itemsize)
    data = property(lambda self: SimpleNamespace(ptr=self._values.ctypes.data))
    flags = property(lambda self: Flags(self._values.flags))
    T = property(lambda self: self.transpose())

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    # To the processor

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to "
            "construct a NumPy array explicitly."
        )

    def get(self) -> np.ndarray:
        _wait("get()")
        return self._values.copy()

    def item(self) -> Any:
        _wait("item()")
        return self._values.item()

    def tolist(self) -> Any:
        _wait("tolist()")
        return self._values.tolist()

    def tobytes(self, order: str = "C") -> bytes:
        _wait("tobytes()")
        return self._values.tobytes(order)

    def __float__(self) -> float:
        _wait("float()")
        return float(self._values)

    def __int__(self) -> int:
        _wait("int()")
        return int(self._values)

    def __bool__(self) -> bool:
        _wait("bool()")
        return bool(self._values)

    def __repr__(self) -> str:
        return repr(self.get())

    # Copies and views

    def astype(self, dtype: Any, order: str = "K", *, copy: bool = True) -> ndarray:
        return _run(np.ndarray.astype, (self, dtype), {"order": order, "copy": copy})

    def copy(self, order: str = "C") -> ndarray:
        return _run(np.ndarray.copy, (self, order), {})

    def set(self, arr: np.ndarray, stream: Stream | None = None) -> None:
        _refuse_in_capture("set()")
        if arr.shape != self.shape or arr.dtype != self.dtype:
            raise TypeError(f"got {arr.dtype} {arr.shape}, wanted {self.dtype} {self.shape}")
        counts.copies += 1
        _values(self)[...] = arr

    def view(self, dtype: Any = None) -> ndarray:
        values = self._values[...] if dtype is None else self._values.view(dtype)
        return ndarray(values, self if self.base is None else self.base)

    def fill(self, value: Any) -> None:
        if isinstance(value, np.ndarray):
            if value.shape:
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            value = value.item()
        _run(np.copyto, (self, value, "unsafe"), {})

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    # Indices

    def __getitem__(self, index: Any) -> ndarray:
        index = _on_gpu(index)
        if any(map(_is_mask, self._place(index))):
            _wait("a mask in an index")  # how many elements has the result?
        return _wrapped(lambda: _values(self)[self._place(index)], self)

    def __setitem__(self, index: Any, value: Any) -> None:
        index = _on_gpu(index)
        place = self._place(index)
        if any(map(_is_mask, place)):
            _refuse_in_capture("a mask in an index")
        if any(isinstance(part, np.ndarray) for part in place):
            value = asarray(value)
        if not isinstance(value, ndarray):
            self[index].fill(value)
            return
        plain = _values(value)

        def write() -> None:
            with np.errstate(all="ignore"):
                self._values[self._place(index)] = plain

        _done(write)

    def _place(self, index: Any) -> tuple[Any, ...]:
        """The index for NumPy: numbers in arrays wrap around."""
        parts = [_values(part) if isinstance(part, ndarray) else part for part in index]
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)
        widths = [0 if part is None else part.ndim if _is_mask(part) else 1 for part in parts]
        dots = next(i for i, part in enumerate(parts) if part is Ellipsis)
        widths[dots] = self.ndim - (sum(widths) - 1)
        axis = 0
        for i, (part, width) in enumerate(zip(parts, widths, strict=True)):
            if isinstance(part, np.ndarray) and part.dtype.kind in "iu" and self.shape[axis]:
                parts[i] = part.astype(np.int64) % self.shape[axis]
            axis += width
        return tuple(parts)

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        own = getattr(cupy, ufunc.__name__, None)
        if method != "__call__" or own is None:
            return NotImplemented
        if any(not isinstance(x, (ndarray, np.ndarray, np.generic, int, float)) for x in inputs):
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return own(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        own = getattr(cupy, function.__name__, None)
        if own is None or any(kind not in (ndarray, np.ndarray) for kind in types):
            return NotImplemented
        return own(*args, **kwargs)


def _on_gpu(index: Any) -> tuple[Any, ...]:
    """The parts of an index, lists and NumPy's arrays copied here."""
    plain = (type(None), type(Ellipsis), slice, int, np.integer)
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part if isinstance(part, plain) else asarray(part) for part in parts]
    return tuple(  # an empty list is one of no indices
        array.astype(np.int32) if isinstance(part, list) and not array.size else array
        for part, array in zip(parts, arrays, strict=True)
    )


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == bool


def _method(name: str, signature: inspect.Signature) -> Any:
    function = getattr(np.ndarray, name)

    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        signature.bind(*args, **kwargs)
        return _run(function, (self, *args), kwargs)

    return method


for _name, _parameters in _table(METHODS).items():
    setattr(ndarray, _name, _method(_name, _parameters))


# Functions


class Ufunc:
    """A function of elements; ``reduce`` and the like are not those that the engine may use."""

    def __init__(self, name: str) -> None:
        self.__name__, self.function = name, getattr(np, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if odd := kwargs.keys() - set(UFUNC_KEYWORDS):
            raise TypeError(f"Wrong arguments {odd}")
        if self.__name__ == "matmul":
            _refuse_cublas()
        return _run(self.function, args, {k: v for k, v in kwargs.items() if v is not None})

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if self.__name__ != "add" or a.dtype not in ("float16", "float32", "float64", "int32"):
            raise NotImplementedError(f"`{self.__name__}.at` is not supported yet")
        indices, added = _on_gpu(indices), _values(b)
        _done(lambda: np.add.at(_values(a), a._place(indices), added))


def _overrides(operand: Any) -> bool:
    """Whether it has a say in what NumPy's functions do with it, as tensors have."""
    known = isinstance(operand, (ndarray, np.ndarray, np.generic))
    return not known and getattr(operand, "__array_ufunc__", None) is not None


def _operator(ufunc: Ufunc, swapped: bool, in_place: bool) -> Any:
    def operate(self: ndarray, *other: Any) -> Any:
        operands = (*other, self) if swapped else (self, *other)
        if in_place:
            return ufunc(*operands, out=self)
        if any(_overrides(one) for one in other):
            return ufunc.function(*operands)
        return ufunc(*operands)

    return operate


def _function(name: str, signature: inspect.Signature) -> Any:
    function = getattr(np, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        signature.bind(*args, **kwargs)
        return _run(function, args, kwargs)

    call.__name__ = call.__qualname__ = name
    return call


def array(obj: Any, dtype: Any = None, copy: bool = True, order: str = "K") -> ndarray:
    """A copy on the current GPU, of arrays of either library and of numbers."""
    if isinstance(obj, ndarray):
        if obj.device != Device():
            return _wrapped(lambda: np.array(obj._values, dtype, order=order))
        return obj.astype(obj.dtype if dtype is None else dtype, order, copy=copy)
    if isinstance(obj, (list, tuple)) and any(isinstance(one, ndarray) for one in obj):
        return cupy.stack(obj)
    _refuse_in_capture("a copy to the GPU")
    counts.copies += 1
    return _wrapped(lambda: np.array(obj, dtype, order="C"))


def asarray(a: Any, dtype: Any = None, order: str | None = None) -> ndarray:
    """On the current GPU, itself if it is there."""
    return array(a, dtype, copy=False, order=order or "K")


def asnumpy(a: Any) -> np.ndarray:
    """As one of NumPy's."""
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    """A view that does not say whose."""
    return ndarray(np.lib.stride_tricks.as_strided(_values(x), shape, strides))


def _unwritten(make: Any) -> Any:
    """Memory as it comes is not zero."""

    def call(*args: Any, **kwargs: Any) -> ndarray:
        result = make(*args, **kwargs)
        _done(lambda: _unknown(result._values))
        return result

    return call


def _refuse_cublas() -> None:
    if Stream.captured is not None:
        raise NotImplementedError("calling cuBLAS API during stream capture is unsupported")


def _joining(join: Any) -> Any:
    """More than 8 arrays are told where they lie by a copy to the GPU."""

    def call(tup: Any, *args: Any, **kwargs: Any) -> ndarray:
        if len(tup) > 8:
            _refuse_in_capture("joining more than 8 arrays")
        return join(tup, *args, **kwargs)

    return call


def _einsum(*operands: Any, **kwargs: Any) -> Any:
    if odd := kwargs.keys() - set(EINSUM):
        raise TypeError(f"Did not understand the following kwargs: {odd}")
    _refuse_cublas()
    return _run(np.einsum, operands, kwargs)


def _matmul(a: Any, b: Any, /, *, out: Any = None) -> Any:
    """The result has to be asked for by name: CuPy's own takes it for two."""
    _refuse_cublas()
    return _run(np.matmul, (a, b), {} if out is None else {"out": out})


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        _wait("where() of a condition alone")
        return tuple(_wrapped(lambda i=i: i) for i in np.nonzero(_values(condition)))
    return _run(np.where, (condition.astype(bool, copy=False), x, y), {})


def _take_along_axis(a: Any, indices: Any, axis: Any) -> Any:
    return _run(np.take_along_axis, (a, indices % a.shape[axis], axis), {})


class RawModule(host_kernels.RawModule):
    """Kernels that the processor runs; they see memory, of the current GPU."""

    def get_function(self, name: str) -> Any:
        kernel = super().get_function(name)

        def launch(grid: Any, block: Any, args: Any) -> None:
            plain = tuple(_values(a) for a in args)
            _done(lambda: kernel(grid, block, plain))

        return launch


class Library:
    """NVIDIA's library of a name, of which ``names`` are captured and the rest is done at once."""

    def __init__(self, library: Any, names: tuple[str, ...]) -> None:
        self._library, self._names = library, names

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._library, name)
        return Captured(function) if name in self._names else function


class Captured:
    """A function of such a library."""

    def __init__(self, function: Any) -> None:
        object.__setattr__(self, "function", function)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.function, name, value)

    def __call__(self, *args: Any) -> int:
        if Stream.captured is None:
            return self.function(*args)

        def node() -> None:
            if status := self.function(*args):
                raise RuntimeError(f"status {status} in a graph")

        _done(node)
        return 0


def _module() -> ModuleType:
    module: Any = ModuleType("cupy")
    module.__version__ = "14.2.0"
    for name, signature in _table(FUNCTIONS).items():
        setattr(module, name, _function(name, signature))
    for name in UFUNCS.split():
        setattr(module, name, Ufunc(name))
    module.empty, module.empty_like = map(_unwritten, (module.empty, module.empty_like))
    module.stack, module.concatenate = map(_joining, (module.stack, module.concatenate))
    module.einsum, module.matmul, module.where = _einsum, _matmul, _where
    module.take_along_axis, module.RawModule = _take_along_axis, RawModule
    module.ndarray, module.array, module.asarray, module.asnumpy = ndarray, array, asarray, asnumpy
    module.inf, module.nan = np.inf, np.nan
    module.lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=as_strided))
    runtime = SimpleNamespace(
        getDeviceCount=lambda: GPUS,
        getDeviceProperties=lambda device: {"name": b"a stand-in"},
        memGetInfo=lambda: (MEMORY // 2, MEMORY),
        CUDARuntimeError=CUDARuntimeError,
    )
    module.cuda = SimpleNamespace(
        is_available=lambda: True,
        runtime=runtime,
        Device=Device,
        Event=Event,
        get_elapsed_time=get_elapsed_time,
        get_current_stream=get_current_stream,
        Graph=Graph,
        MemoryPool=MemoryPool,
        Stream=Stream,
        using_allocator=using_allocator,
    )
    return module


cupy: Any = _module()
"""What to put into ``sys.modules``."""

_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
    "mod": "remainder", "floordiv": "floor_divide", "and": "bitwise_and", "or": "bitwise_or",
    "rshift": "right_shift",
}  # fmt: skip
for _name, _ufunc in _BINARY.items():
    setattr(ndarray, f"__{_name}__", _operator(Ufunc(_ufunc), False, False))
    setattr(ndarray, f"__r{_name}__", _operator(Ufunc(_ufunc), True, False))
    setattr(ndarray, f"__i{_name}__", _operator(Ufunc(_ufunc), False, True))
for _name, _ufunc in {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
    "ne": "not_equal", "neg": "negative", "abs": "absolute", "invert": "invert",
}.items():  # fmt: skip
    setattr(ndarray, f"__{_name}__", _operator(Ufunc(_ufunc), False, False))
setattr(ndarray, "__matmul__", _operator(Ufunc("matmul"), False, False))  # noqa: B010
setattr(ndarray, "__rmatmul__", _operator(Ufunc("matmul"), True, False))  # noqa: B010
