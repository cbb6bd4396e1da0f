"""Tensor: an array that remembers how it was computed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from .backend import FLOATS, Array, array_module, device_of, is_array, to_device
from .errors import GradientError, NotTwiceDifferentiableError

TensorLike: TypeAlias = Any
"""A ``Tensor``, an array, a number or a nested list of numbers."""

recording: ContextVar[bool] = ContextVar("minigan_recording", default=True)
"""Whether operations on tracked tensors are written to the tape."""

backward_of: ContextVar[str | None] = ContextVar("minigan_backward_of", default=None)
"""The primitive whose backward is itself being recorded just now, if one is."""


@contextmanager
def no_grad() -> Iterator[None]:
    """Nothing computed in this block (or decorated function) is written to the tape."""
    token = recording.set(False)
    try:
        yield
    finally:
        recording.reset(token)


@contextmanager
def enable_grad() -> Iterator[None]:
    """What is computed in this block is written to the tape, within ``no_grad`` too."""
    token = recording.set(True)
    try:
        yield
    finally:
        recording.reset(token)


class Leaf:
    """The start of a path on the tape: a tensor that the user marked, not one computed."""

    __slots__ = ("__weakref__", "tensor")
    parents: tuple[Any, ...] = ()
    depth = 0

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)  # weak: the tensor holds its leaf, no cycle


class Tensor:
    """An array of float16, float32 or float64 that may be tracked for differentiation.

    ``data`` is copied. Integers and booleans become float64, as in NumPy's functions.
    With ``requires_grad`` the tensor is a *leaf*: ``backward`` leaves its gradient in ``grad``.
    """

    __slots__ = ("__weakref__", "_array", "_node", "_version", "grad")
    __array_priority__ = 1000  # array + tensor asks the tensor first
    __hash__ = object.__hash__  # by identity, since == compares elements

    ufuncs: ClassVar[dict[Any, Callable[..., Any]]] = {}
    functions: ClassVar[dict[Any, Callable[..., Any]]] = {}
    instead: ClassVar[dict[Any, str]] = {}

    _array: Array
    _node: Any
    _version: list[int] | None
    grad: Tensor | None

    def __init__(
        self,
        data: TensorLike,
        requires_grad: bool = False,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            data._leave_tape()
        array = data._array if isinstance(data, Tensor) else data
        xp = array_module(array)
        dtype = np.dtype(dtype) if dtype is not None else None
        try:
            array = xp.array(array, dtype=dtype, order="C")
        except (TypeError, ValueError) as error:
            raise TypeError(f"data: can't make an array of numbers from it ({error})") from None
        if dtype is None and array.dtype.kind in "iub":
            array = array.astype(np.float64)
        if array.dtype not in FLOATS:
            raise TypeError(f"data: got dtype {array.dtype}, wanted float16, float32 or float64")
        self._array = array if device is None else to_device(array, device)
        self._version = [0]
        self._node = Leaf(self) if requires_grad else None
        self.grad = None

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """The number of its elements."""
        return self._array.size

    @property
    def dtype(self) -> Any:
        """float16, float32 or float64."""
        return self._array.dtype

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda:N"``."""
        return device_of(self._array)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients can flow to it: a marked leaf, or computed from one."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise GradientError("requires_grad can be set on a leaf only; use detach() first")
        if bool(value) != self.requires_grad:
            self._node = Leaf(self) if value else None

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than computed from tracked tensors."""
        return self._node is None or type(self._node) is Leaf

    # What it holds

    @property
    def data(self) -> Array:
        """Its array, not tracked and not to be written to (read-only on the CPU).

        A leaf's array is written in place by ``assign`` and by optimisers, and this view
        shows it; take ``numpy()`` for a copy that stays.
        """
        self._leave_tape()
        view = self._array.view()
        if array_module(view) is np:
            view.flags.writeable = False
        return view

    def numpy(self) -> np.ndarray:
        """A copy of its values as a NumPy array."""
        self._leave_tape()
        return np.array(to_device(self._array, "cpu"), order="C")

    def item(self) -> float:
        """Its one element as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one element, got shape {self.shape}")
        self._leave_tape()
        return float(self._array.reshape(()))

    def detach(self) -> Tensor:
        """The same values, not tracked. Shares the array, so ``assign`` shows through."""
        self._leave_tape()
        return wrap(self._array, None, self._version)

    def assign(self, value: TensorLike) -> None:
        """Write ``value`` (same shape) into this leaf's array, in place.

        A graph that still needs the old values raises ``StaleTensorError`` in its backward.
        """
        if not self.is_leaf or self._version is None:
            raise GradientError(
                "assign: only a leaf, made by Tensor(…), can be written to, not a computed tensor"
            )
        new = value._array if isinstance(value, Tensor) else value
        if np.shape(new) != self.shape:
            raise ValueError(f"assign: got shape {np.shape(new)}, wanted {self.shape}")
        if type(new) is not np.ndarray or type(self._array) is not np.ndarray:
            new = to_device(new if is_array(new) else np.asarray(new), self.device)
        self._array[...] = new
        self._version[0] += 1

    def _leave_tape(self) -> None:
        name = backward_of.get()
        if name is not None and self.requires_grad:
            raise NotTwiceDifferentiableError(
                f"primitive {name!r}: its backward took a tensor's values off the tape, so the "
                "gradient has no gradient; write the backward with minigan's functions"
            )

    # NumPy's protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._leave_tape()
        if self.requires_grad and recording.get():
            raise TypeError(
                "a tracked tensor does not turn into an array by itself, as its gradient would be "
                "lost: take .numpy() for its values, or a function of minigan's to stay tracked"
            )
        if copy is False:
            raise ValueError("a tensor turns into a copy of its array; copy=False can't be had")
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = self.ufuncs.get(ufunc)
        if function is None or method != "__call__" or kwargs:
            what = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
            extra = f" with {', '.join(kwargs)}" if kwargs else ""
            raise TypeError(_undefined(what + extra, self.instead.get(ufunc)))
        return function(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        function = self.functions.get(func)
        if function is None:
            what = f"{func.__module__}.{func.__name__}"
            raise TypeError(_undefined(what, self.instead.get(func)))
        return function(*args, **kwargs)

    # Python's protocols

    def __repr__(self) -> str:
        values = np.array2string(to_device(self._array, "cpu"), precision=6, prefix="Tensor(")
        facts = [f"dtype={self.dtype}"]
        if self.size == 0:
            facts.append(f"shape={self.shape}")
        if self.device != "cpu":
            facts.append(f"device={self.device}")
        if self.requires_grad:
            facts.append("requires_grad" if self.is_leaf else "tracked")
        return f"Tensor({values}, {', '.join(facts)})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __float__(self) -> float:
        return self.item()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous")
        return bool(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a tensor's items can't be assigned; build a new one with where() or concatenate(), "
            "or write a whole leaf with assign()"
        )

    def __copy__(self) -> Tensor:
        raise TypeError("copy a tensor with copy.deepcopy (a leaf) or detach()")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise TypeError("only a leaf can be deep-copied; use detach() on a computed tensor")
        twin = type(self).__new__(type(self))
        twin._array, twin._version, twin.grad = self._array.copy(), [0], None
        twin._node = Leaf(twin) if self.requires_grad else None
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        raise TypeError("tensors are not pickled; save .numpy() or a module's state_dict()")

    # Operators and methods below are installed by minigan/ops/operators.py, in one table.
    if TYPE_CHECKING:
        T: Tensor

        def __add__(self, other: TensorLike) -> Tensor: ...
        def __radd__(self, other: TensorLike) -> Tensor: ...
        def __sub__(self, other: TensorLike) -> Tensor: ...
        def __rsub__(self, other: TensorLike) -> Tensor: ...
        def __mul__(self, other: TensorLike) -> Tensor: ...
        def __rmul__(self, other: TensorLike) -> Tensor: ...
        def __truediv__(self, other: TensorLike) -> Tensor: ...
        def __rtruediv__(self, other: TensorLike) -> Tensor: ...
        def __pow__(self, other: TensorLike) -> Tensor: ...
        def __rpow__(self, other: TensorLike) -> Tensor: ...
        def __matmul__(self, other: TensorLike) -> Tensor: ...
        def __rmatmul__(self, other: TensorLike) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __lt__(self, other: TensorLike) -> Array: ...
        def __le__(self, other: TensorLike) -> Array: ...
        def __gt__(self, other: TensorLike) -> Array: ...
        def __ge__(self, other: TensorLike) -> Array: ...
        def __eq__(self, other: TensorLike) -> Array: ...
        def __ne__(self, other: TensorLike) -> Array: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def clip(self, low: Any = None, high: Any = None) -> Tensor: ...
        def astype(self, dtype: Any) -> Tensor: ...
        def to(self, device: str) -> Tensor: ...
        def backward(
            self,
            gradient: TensorLike = None,
            create_graph: bool = False,
            retain_graph: bool | None = None,
        ) -> None: ...


def _undefined(what: str, instead: str | None) -> str:
    """The error of a NumPy function that tensors don't have."""
    other = "" if instead is None else f"{instead}, which is tracked, or "
    return f"{what} is not defined for tensors; use {other}.numpy() for arrays"


def wrap(array: Array, node: Any = None, version: list[int] | None = None) -> Tensor:
    """A tensor around ``array`` itself, without a copy or a check."""
    tensor = Tensor.__new__(Tensor)
    tensor._array, tensor._node, tensor._version, tensor.grad = array, node, version, None
    return tensor


def may_show_a_parameter(array: Array) -> bool:
    """Whether an array may be a view of a parameter (``Tensor.data``), which optimisers write.

    On the CPU that is read-only.
    """
    if not array.ndim:
        return False
    return not array.flags.writeable if type(array) is np.ndarray else array.base is not None


def as_tensor(value: TensorLike, dtype: Any = None) -> Tensor:
    """``value`` itself if it is a tensor, else an untracked one.

    Float arrays are not copied, unless they ``may_show_a_parameter``.
    """
    if isinstance(value, Tensor):
        return value
    if is_array(value) and value.dtype in FLOATS and dtype in (None, value.dtype):
        return wrap(value.copy() if may_show_a_parameter(value) else value)
    return Tensor(value, dtype=dtype)


@contextmanager
def substituted(parameters: Sequence[Tensor], tensors: Sequence[Tensor]) -> Iterator[None]:
    """Within the block each parameter is the tensor: its values, and its place on the tape.

    So gradients flow to the tensors, to any order, wherever in a module the parameters are held.
    """
    before = [(p._array, p._node, p._version) for p in parameters]
    try:
        for p, t in zip(parameters, tensors, strict=True):
            p._array, p._node, p._version = t._array, t._node, t._version
        yield
    finally:
        for p, kept in zip(parameters, before, strict=True):
            p._array, p._node, p._version = kept
