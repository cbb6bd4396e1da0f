"""Making primitives: what turns a function on arrays into one on tensors that is recorded.

At the end stand the operations that the tape itself is made of: gradients are added where paths
meet, summed over broadcast axes, and cast to their operand's dtype.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, ParamSpec

import numpy as np

from .backend import FLOATS, Array, array_module, device_of, is_array
from .buffers import result_of
from .errors import DeviceError
from .kernels import channels
from .tape import Backward, Primitive
from .tensor import Tensor, as_tensor, may_show_a_parameter, recording, wrap

P = ParamSpec("P")

on_arrays: ContextVar[bool] = ContextVar("minigan_on_arrays", default=False)
"""Whether a primitive that is given arrays alone returns an array: so in a ``plain`` backward."""


def primitive(
    forward: Callable[P, Any],
    backward: Backward | Sequence[Backward | None],
    *,
    broadcasts: bool = False,
    plain: bool = False,
    outer: Backward | None = None,
    at_once: Backward | None = None,
    extras: Sequence[str] = (),
    composed: Callable[..., Tensor] | None = None,
    name: str | None = None,
) -> Callable[P, Tensor]:
    """Make a differentiable operation of a function on arrays and its gradient.

    ``forward`` takes arrays, its *operands* (the parameters before a ``/``; without one, all
    positional parameters that have no default), and settings. ``backward(g, …)`` takes the
    gradient of the result and, by name, whatever it needs of the operands, of their shapes
    (``x_shape``), of the settings and of the result (``out``); it returns the gradient of the
    operand, or a tuple of one per operand. A sequence of functions, one per operand, computes
    only those that are asked for; None stands for an operand that has no gradient. Written with
    minigan's functions, the backward can be differentiated again.

    ``broadcasts`` sums gradients over axes along which an operand was broadcast. A ``plain``
    backward is made of operators and primitives alone, so that it does on arrays what it does on
    tensors, and is given arrays where that is faster and nothing is recorded. Then, if all
    operands' gradients are wanted, ``at_once`` may compute them together. Of a result f(h), h made
    of the operands, ``outer(g, …)`` is the gradient of h: it is computed once and given to the
    others, which are then the backward of h, in g's place. With ``extras``
    the forward returns a tuple whose further members backward can name; they are not
    differentiable, so those of floats are for first order only. ``composed`` is the same function
    of tensors, used instead of ``backward`` when the gradient's own graph is wanted.

        >>> cube = primitive(lambda x: x**3, lambda g, x: 3 * x**2 * g)
    """
    spec = Primitive(
        forward,
        backward,
        broadcasts=broadcasts,
        plain=plain,
        outer=outer,
        at_once=at_once,
        extras=extras,
        composed=composed,
        name=name,
    )
    arity = None if spec.variadic else len(spec.operands)
    defaults = spec.defaults

    @functools.wraps(forward)
    def apply(*args: Any, **settings: Any) -> Any:
        if len(args) != arity:
            args = spec.bind(args, settings)
        if on_arrays.get():
            for a in args:
                if isinstance(a, Tensor):
                    break
            else:
                result = forward(*args, **settings)
                return result[0] if spec.extras else result
        if defaults:
            settings = defaults | settings
        alike = all_alike(args)
        tensors = alike or _made_alike(spec.name, args)
        arrays = [t._array for t in tensors]
        dtype = arrays[0].dtype if alike else _float_dtype(arrays)
        try:
            result = forward(*arrays, **settings)
        except ValueError as error:
            raise ValueError(f"{spec.name}: {error}") from error
        extra: Sequence[Any] = ()
        if spec.extras:
            result, *extra = result
        if type(result) is not np.ndarray or result.dtype is not dtype:
            result = _as_result(spec.name, result, dtype)
        made = wrap(result, None, _version_of_view(result, tensors))
        for tensor in tensors:
            if tensor._node is not None:
                if recording.get():
                    made._node = spec.record(tensors, arrays, settings, made, extra)
                else:
                    tensor._leave_tape()  # an error in a backward that is being recorded
                break
        return made

    apply.primitive = spec  # type: ignore[attr-defined]
    if name:
        apply.__name__ = apply.__qualname__ = name
    return apply


def vjp(
    *backward: Backward | None, **options: Any
) -> Callable[[Callable[P, Any]], Callable[P, Tensor]]:
    """Decorate a forward with its vector-Jacobian product, or one for each operand in turn."""
    rule = backward[0] if len(backward) == 1 and backward[0] is not None else backward
    return lambda forward: primitive(forward, rule, **options)


def elementwise(
    *backward: Backward | None, **options: Any
) -> Callable[[Callable[P, Any]], Callable[P, Tensor]]:
    """``vjp`` for a function of broadcast elements: gradients are summed back to each shape."""
    return vjp(*backward, broadcasts=True, plain=True, **options)


def _as_result(name: str, result: Any, dtype: Any) -> Array:
    """What a forward returned as an array of the operands' dtype.

    NumPy returns scalars for 0-d results, and its older versions widen them.
    """
    if not hasattr(result, "dtype"):
        raise TypeError(
            f"{name}: forward returned {type(result).__name__}, wanted an array of numbers"
        )
    return array_module(result).asarray(result, dtype=dtype)


def _float_dtype(arrays: Sequence[Array]) -> Any:
    for array in arrays:
        if array.dtype.kind == "f":
            return array.dtype
    raise TypeError("no operand is a float tensor or array")


# Operands


def all_alike(args: Sequence[Any]) -> Sequence[Tensor] | None:
    """The operands as tensors, if they are tensors of one dtype on the CPU and Python's numbers.

    They nearly always are, so this is quick; ``_made_alike`` is for the others.
    """
    dtype, numbers = None, False
    for a in args:
        if isinstance(a, Tensor):
            array = a._array
            if type(array) is not np.ndarray:
                return None
            if dtype is None:
                dtype = array.dtype
            elif array.dtype is not dtype:
                return None
        elif type(a) is float or type(a) is int:
            numbers = True
        else:
            return None
    if dtype is None or dtype.kind != "f":
        return None
    if not numbers:
        return args
    return [a if isinstance(a, Tensor) else wrap(np.asarray(a, dtype)) for a in args]


def as_operands(name: str, args: Sequence[Any]) -> Sequence[Tensor]:
    """The operands as tensors of one dtype: numbers, 0-d and integer constants never widen it."""
    return all_alike(args) or _made_alike(name, args)


def _made_alike(name: str, args: Sequence[Any]) -> Sequence[Tensor]:
    values = [a if isinstance(a, Tensor) else _constant(name, a) for a in args]
    arrays = [v._array if isinstance(v, Tensor) else v for v in values]
    # A number of NumPy's goes with any array; a tensor of no axes is where it is.
    numbers = [type(v) is np.ndarray and not v.ndim for v in values]
    placed = [a for a, number in zip(arrays, numbers, strict=True) if not number]
    devices = {device_of(array) for array in placed}
    if len(devices) > 1:
        raise DeviceError(
            f"{name}: got arrays on {' and on '.join(sorted(devices))}: move them to one device "
            'with .to("cpu") or .to("cuda")'
        )
    floats = [v for v in values if v.dtype in FLOATS]
    wide = [v.dtype for v in floats if v.ndim or isinstance(v, Tensor)]
    wide = wide or [v.dtype for v in floats] or [np.dtype(np.float64)]
    dtype = functools.reduce(np.promote_types, wide)
    xp = array_module(placed[0]) if placed else np
    return [_converted(v, dtype, xp, keep_mask=bool(floats)) for v in values]


def _constant(name: str, value: Any) -> Array:
    array = value if is_array(value) else np.asarray(value)
    if array.dtype.kind not in "iub" and array.dtype not in FLOATS:
        what = f"dtype {array.dtype}" if is_array(value) else f"type {type(value).__name__}"
        raise TypeError(f"{name}: can't compute with an operand of {what}")
    return array


def _converted(value: Any, dtype: Any, xp: Any, keep_mask: bool) -> Tensor:
    # Beside a float, a mask stays one: multiplying by it doesn't widen.
    mask = keep_mask and value.ndim and value.dtype.kind == "b"
    if isinstance(value, Tensor):
        return value if mask or value.dtype == dtype else astype(value, dtype)
    if not mask and xp is not array_module(value):  # a number, which needs no copy to the GPU
        value = xp.full((), value.item(), dtype)
    elif not mask:
        value = xp.asarray(value, dtype=dtype)
    return wrap(value.copy() if may_show_a_parameter(value) else value)


def _version_of_view(result: Array, tensors: Sequence[Tensor]) -> list[int] | None:
    """The version cell of the leaf whose memory ``result`` shows, if it is a view of one."""
    for tensor in tensors:
        if tensor._version is None or (result.base is None and result is not tensor._array):
            continue
        if _owner(result) is _owner(tensor._array):
            return tensor._version
    return None


def _owner(array: Array) -> Any:
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


# The operations that the tape itself is made of


@elementwise(lambda g: g, lambda g: g)
def add(a: Array, b: Array, /) -> Array:
    """a + b, broadcast. ∂(a + b)/∂a = ∂(a + b)/∂b = 1, so both gradients are g."""
    return array_module(a).add(a, b, out=result_of(a, b))


@vjp(lambda g, x_shape: broadcast_to(g, x_shape), plain=True)  # type: ignore[has-type]
def sum_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """The sum over the axes along which ``shape`` would have been broadcast to x's.

    Each element of x is counted in exactly one sum, so its gradient is that sum's: g, broadcast.
    """
    if len(shape) == 1 < x.ndim and x.shape[-1:] == shape:
        return channels.sums(x)
    lead = x.ndim - len(shape)
    axes = (
        *range(lead),
        *(i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1),
    )
    return x.sum(axis=axes, keepdims=True).reshape(shape)


@vjp(lambda g, x_shape: sum_to(g, x_shape), plain=True)
def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """x repeated along new or length-1 axes to ``shape``; its adjoint sums over the repeats."""
    return array_module(x).broadcast_to(x, shape)


@vjp(lambda g: g, plain=True)
def identity(x: Array, /) -> Array:
    """x under another name."""
    return x.view()


def copy_of(array: Array) -> Array:
    """A copy of an array, in C order."""
    return array_module(array).array(array, order="C")


@vjp(lambda g: g, plain=True)
def copied(x: Array, /) -> Array:
    """A copy of x."""
    return copy_of(x)


def astype(x: Tensor, dtype: Any) -> Tensor:
    """x as float16, float32 or float64. The gradient is g, cast back to x's dtype."""
    dtype = np.dtype(dtype)
    if dtype not in FLOATS:
        raise TypeError(f"astype: got {dtype}, wanted float16, float32 or float64")
    x = as_tensor(x)
    made = wrap(x._array.astype(dtype))
    if recording.get() and x.requires_grad:
        made._node = _CAST.record([x], [x._array], {}, made, ())
        made._node.dtype = x.dtype
    return made


_CAST = Primitive(lambda x: x, lambda g: g, plain=True, name="astype")  # autograd casts g
