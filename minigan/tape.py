"""The tape: what a differentiable operation is, and how its applications are recorded.

A *primitive* is a pair of functions. ``forward`` maps arrays to an array. ``backward`` maps the
gradient g = ∂L/∂y of some scalar L to the gradients ∂L/∂x of the operands, and is itself written
with primitives, so that running it with the tape on gives gradients that can be differentiated
again. Applying a primitive to a tracked tensor adds one ``Node``, which keeps just what its
backward asks for; ``autograd`` walks the nodes back.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, ParamSpec

import numpy as np

from .backend import FLOATS, Array, array_module, is_array
from .buffers import result_of
from .errors import (
    DeviceError,
    GradientError,
    GraphFreedError,
    NotTwiceDifferentiableError,
    StaleTensorError,
)
from .tensor import Tensor, as_tensor, recording, wrap

P = ParamSpec("P")
Backward = Callable[..., Any]


class Kept(NamedTuple):
    """An array kept for backward, with the leaf's version it had then."""

    array: Array
    node: Any
    version: list[int] | None
    seen: int

    def tensor(self, primitive: str) -> Tensor:
        if self.version is not None and self.version[0] != self.seen:
            raise StaleTensorError(
                f"primitive {primitive!r} kept an array of shape {self.array.shape} for its "
                "backward, and an optimiser step or assign() has changed it since: call backward "
                "before updating, or compute the forward pass again"
            )
        return wrap(self.array, self.node, self.version)


class _Plan(NamedTuple):
    """What a node keeps: operands and operands' shapes, by place and name, and the result."""

    operands: list[tuple[int, str]]
    shapes: list[tuple[int, str]]
    out: bool


class Node:
    """One application of a primitive on the tape."""

    __slots__ = ("depth", "dtypes", "kept", "parents", "primitive", "settings", "shapes")

    primitive: Primitive
    parents: tuple[Any, ...]
    shapes: tuple[Any, ...]
    dtypes: tuple[Any, ...]
    kept: dict[str, Any] | None
    settings: dict[str, Any]
    depth: int


class Primitive:
    """What the tape knows of an operation: its forward, its backward, and what backward needs.

    The names of a backward's parameters, after the first (the gradient g), say what is kept for
    it: an operand's name (its values), ``<operand>_shape`` (only its shape), ``out`` (the result),
    a setting's name, an extra's name. Nothing else outlives the forward pass.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Backward | Sequence[Backward | None],
        *,
        broadcasts: bool = False,
        extras: Sequence[str] = (),
        composed: Callable[..., Tensor] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or getattr(forward, "__name__", "primitive").strip("_")
        self.forward, self.composed = forward, composed
        self.broadcasts, self.extras = broadcasts, tuple(extras)
        self._read_signature(forward)
        self.joint = backward if callable(backward) else None
        self.separate = () if callable(backward) else tuple(backward)
        if not callable(backward) and not self.variadic and len(backward) != len(self.operands):
            raise TypeError(
                f"primitive {self.name!r}: got {len(backward)} backward functions "
                f"for {len(self.operands)} operands {self.operands}"
            )
        if self.separate and self.variadic:
            raise TypeError(
                f"primitive {self.name!r} takes any number of operands, so its backward must be "
                "one function, which returns a sequence of gradients"
            )
        functions = [self.joint] if self.joint else [f for f in self.separate if f]
        self.wants = {f: _parameter_names(f)[1:] for f in functions}
        self._check_wants({name for names in self.wants.values() for name in names})
        self._plans: dict[tuple[bool, ...], _Plan] = {}

    def _read_signature(self, forward: Callable[..., Any]) -> None:
        try:
            parameters = list(inspect.signature(forward).parameters.values())
        except ValueError:  # as some functions written in C
            raise TypeError(
                f"primitive {self.name!r}: forward does not tell its parameters; wrap it in a "
                "function of your own, such as lambda x: …"
            ) from None
        first = [p for p in parameters if p.kind is p.POSITIONAL_ONLY]
        many = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
        plain = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        operands = first or many or [p for p in plain if p.default is p.empty]
        self.variadic = bool(many) and not first
        self.operands = tuple(p.name for p in operands)
        settings = [p for p in parameters if p not in operands]
        self.settings = tuple(p.name for p in settings)
        self.defaults = {p.name: p.default for p in settings if p.default is not p.empty}

    def _check_wants(self, wanted: set[str]) -> None:
        known = {*self.operands, *self.settings, *self.extras, "out"}
        known |= {f"{name}_shape" for name in self.operands}
        if wanted - known:
            raise TypeError(
                f"primitive {self.name!r}: backward asks for {sorted(wanted - known)}, "
                f"but only {sorted(known)} can be kept"
            )

    def _plan(self, tracked: tuple[bool, ...]) -> _Plan:
        """What to keep when these operands are tracked: what their gradients' functions name."""
        if self.joint is not None:
            wanted = set(self.wants[self.joint])
        else:
            pairs = zip(self.separate, tracked, strict=True)
            wanted = {name for f, yes in pairs if f and yes for name in self.wants[f]}
        if self.composed is not None:
            wanted |= set(self.operands)
        named = list(enumerate(self.operands))
        return _Plan(
            [(index, name) for index, name in named if name in wanted],
            [(index, f"{name}_shape") for index, name in named if f"{name}_shape" in wanted],
            "out" in wanted,
        )

    # Forward

    def bind(self, args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Any, ...]:
        """Split a call's arguments into operands and settings, as the forward's signature says."""
        count = len(args) if self.variadic else len(self.operands)
        if len(args) > count:
            placed = dict(zip(self.settings, args[count:], strict=False))
            if len(args) - count > len(self.settings):
                raise TypeError(f"{self.name}() got too many arguments")
            if twice := sorted(placed.keys() & settings.keys()):
                raise TypeError(f"{self.name}() got two values for {', '.join(twice)}")
            settings.update(placed)
        elif len(args) < count:
            named = {name: settings.pop(name) for name in self.operands if name in settings}
            args = (*args, *(named[n] for n in self.operands[len(args) :] if n in named))
            if len(args) < count:
                raise TypeError(f"{self.name}() needs {', '.join(self.operands)}")
        if self.defaults:
            for name, default in self.defaults.items():
                settings.setdefault(name, default)
        return args[:count]

    def record(
        self, tensors: list[Tensor], settings: dict[str, Any], result: Tensor, extras: Any
    ) -> Node:
        """The node of one application: its parents, and what its backward asked to keep."""
        node = Node()
        node.primitive, node.settings = self, settings
        node.parents = tuple([t._node for t in tensors])
        node.shapes = tuple([t._array.shape for t in tensors])
        node.dtypes = tuple([t._array.dtype for t in tensors])
        node.depth = 1 + max([p.depth for p in node.parents if p is not None])
        tracked = tuple([p is not None for p in node.parents])
        plan = self._plans.get(tracked)
        if plan is None:
            plan = self._plans[tracked] = self._plan(tracked)
        kept: dict[str, Any] = dict(zip(self.extras, extras, strict=True))
        for index, name in plan.operands:
            many = self.variadic
            kept[name] = tuple(map(_keep, tensors)) if many else _keep(tensors[index])
        for index, name in plan.shapes:
            kept[name] = node.shapes if self.variadic else node.shapes[index]
        if plan.out:
            kept["out"] = _keep(result)
        node.kept = kept
        return node

    # Backward

    def gradients(self, node: Node, g: Tensor, wanted: Sequence[bool]) -> Sequence[Any]:
        """What backward returns for a node: one gradient for each operand that is ``wanted``."""
        if self.joint is None:
            return [
                f(g, **self.restored(node, self.wants[f])) if f is not None and want else None
                for f, want in zip(self.separate, wanted, strict=True)
            ]
        raw = self.joint(g, **self.restored(node, self.wants[self.joint]))
        raw = raw if isinstance(raw, (tuple, list)) else (raw,)
        if len(raw) != len(node.parents):
            raise GradientError(
                f"primitive {self.name!r}: backward returned {len(raw)} gradients "
                f"for {len(node.parents)} operands"
            )
        return raw

    def restored(self, node: Node, names: Iterable[str]) -> dict[str, Any]:
        """What a node kept, by name, its arrays as tensors in their place on the tape again."""
        if node.kept is None:
            raise GraphFreedError(
                f"the graph through primitive {self.name!r} was freed by an earlier backward or "
                "grad; pass retain_graph=True there to use it again"
            )
        values: dict[str, Any] = {}
        kept = node.kept
        for name in names:
            if name == "out":
                values[name] = kept[name].tensor(self.name)
                values[name]._node = node  # not kept with it, or the node would hold itself
            elif name not in kept:
                values[name] = node.settings[name]
            elif name in self.extras and recording.get() and _is_float(kept[name]):
                raise NotTwiceDifferentiableError(
                    f"primitive {self.name!r}: its backward uses the extra {name!r}, which is off "
                    "the tape, so the gradient has no gradient; give it a composed twin, or "
                    "compute it in the backward"
                )
            elif type(kept[name]) is Kept:
                values[name] = kept[name].tensor(self.name)
            elif self.variadic and name == self.operands[0]:
                values[name] = tuple(k.tensor(self.name) for k in kept[name])
            else:
                values[name] = kept[name]
        return values

    def checked(self, node: Node, i: int, gradient: Any, g: Tensor) -> Tensor:
        """The gradient of the i-th operand as a tensor of the operand's shape and dtype.

        Raises where backward returned another shape, or went off a tape that is running.
        """
        operand = self.operands[0] + f"[{i}]" if self.variadic else self.operands[i]
        if not isinstance(gradient, Tensor):
            gradient = as_tensor(gradient, dtype=None if is_array(gradient) else node.dtypes[i])
        if (
            recording.get()
            and g.requires_grad
            and not gradient.requires_grad
            and gradient._array.any()
        ):
            raise NotTwiceDifferentiableError(
                f"primitive {self.name!r}: the gradient of {operand!r} that its backward returned "
                "is off the tape, so it has no gradient; write the backward with minigan's "
                "functions on tensors"
            )
        if gradient._array.dtype != node.dtypes[i]:
            gradient = astype(gradient, node.dtypes[i])
        if gradient._array.shape != node.shapes[i]:
            if not self.broadcasts or not _spreads(node.shapes[i], gradient.shape):
                raise GradientError(
                    f"primitive {self.name!r}: backward returned a gradient of shape "
                    f"{gradient.shape} for operand {operand!r} of shape {node.shapes[i]}"
                )
            gradient = sum_to(gradient, node.shapes[i])
        return gradient


def _parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS or code.co_kwonlyargcount:
        return tuple(inspect.signature(function).parameters)
    return code.co_varnames[: code.co_argcount]  # the same, and ten times as fast


def _spreads(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether an array of shape ``small`` broadcasts to ``large``."""
    ends = large[len(large) - len(small) :]
    return len(small) <= len(large) and all(n in (1, m) for n, m in zip(small, ends, strict=True))


def _is_float(value: Any) -> bool:
    return is_array(value) and value.dtype in FLOATS


def _keep(tensor: Tensor) -> Kept:
    version = tensor._version
    return Kept(tensor._array, tensor._node, version, version[0] if version else 0)


def primitive(
    forward: Callable[P, Any],
    backward: Backward | Sequence[Backward | None],
    *,
    broadcasts: bool = False,
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

    ``broadcasts`` sums gradients over axes along which an operand was broadcast. With ``extras``
    the forward returns a tuple whose further members backward can name; they are not
    differentiable, so those of floats are for first order only. ``composed`` is the same function
    of tensors, used instead of ``backward`` when the gradient's own graph is wanted.

        >>> cube = primitive(lambda x: x**3, lambda g, x: 3 * x**2 * g)
    """
    spec = Primitive(
        forward, backward, broadcasts=broadcasts, extras=extras, composed=composed, name=name
    )
    arity = None if spec.variadic else len(spec.operands)
    complete = not spec.settings

    @functools.wraps(forward)
    def apply(*args: Any, **settings: Any) -> Any:
        if not complete or len(args) != arity:
            args = spec.bind(args, settings)
        tensors = as_operands(spec.name, args)
        arrays = [t._array for t in tensors]
        try:
            result = forward(*arrays, **settings)
        except ValueError as error:
            raise ValueError(f"{spec.name}: {error}") from error
        extra = ()
        if spec.extras:
            result, *extra = result
        result = _as_result(spec.name, result, _float_dtype(arrays))
        made = wrap(result, None, _version_of_view(result, tensors))
        tracked = [t for t in tensors if t._node is not None]
        if tracked and recording.get():
            made._node = spec.record(tensors, settings, made, extra)
        elif tracked:
            tracked[0]._leave_tape()  # an error if a backward that is being recorded did this
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
    return vjp(*backward, broadcasts=True, **options)


def _as_result(name: str, result: Any, dtype: Any) -> Array:
    """What a forward returned as an array of the operands' dtype.

    NumPy returns scalars for 0-d results, and its older versions widen them.
    """
    if type(result) is np.ndarray and result.dtype is dtype:
        return result
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


def as_operands(name: str, args: Sequence[Any]) -> list[Tensor]:
    """The operands as tensors of one dtype: numbers, 0-d and integer constants never widen it."""
    for first in args:  # nearly always: a tensor on the CPU, and others or Python's numbers
        if not isinstance(first, Tensor) or type(first._array) is not np.ndarray:
            continue
        dtype, found = first._array.dtype, []
        for a in args:
            if isinstance(a, Tensor) and type(a._array) is np.ndarray and a._array.dtype is dtype:
                found.append(a)
            elif type(a) is float or type(a) is int:
                found.append(wrap(np.asarray(a, dtype)))
            else:
                break
        if len(found) == len(args) and dtype.kind == "f":
            return found
        break
    values = [a if isinstance(a, Tensor) else _constant(name, a) for a in args]
    modules = {array_module(v._array if isinstance(v, Tensor) else v) for v in values if v.ndim}
    modules |= {array_module(v._array) for v in values if isinstance(v, Tensor)}
    if len(modules) > 1:
        raise DeviceError(
            f'{name}: got arrays on the CPU and on a GPU; move them with .to("cpu") or .to("cuda")'
        )
    floats = [v for v in values if v.dtype in FLOATS]
    wide = [v.dtype for v in floats if v.ndim or isinstance(v, Tensor)]
    wide = wide or [v.dtype for v in floats] or [np.dtype(np.float64)]
    dtype, xp = functools.reduce(np.promote_types, wide), modules.pop() if modules else np
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
    if not mask:
        value = xp.asarray(value, dtype=dtype)
    # A read-only array may be a view of a parameter (``Tensor.data``), which an optimiser writes.
    shown = xp is np and value.ndim and not value.flags.writeable
    return wrap(value.copy() if shown else value)


def _version_of_view(result: Array, tensors: Sequence[Tensor]) -> list[int] | None:
    """The version cell of the leaf whose memory ``result`` shows, if it is a view of one."""
    for tensor in tensors:
        if tensor._version is not None and _owner(result) is _owner(tensor._array):
            return tensor._version
    return None


def _owner(array: Array) -> Any:
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


# The operations that the tape itself is made of: gradients are added where paths meet, summed
# over broadcast axes, and cast to their operand's dtype.


@elementwise(lambda g: g, lambda g: g)
def add(a: Array, b: Array, /) -> Array:
    """a + b, broadcast. ∂(a + b)/∂a = ∂(a + b)/∂b = 1, so both gradients are g."""
    return array_module(a).add(a, b, out=result_of(a, b))


@vjp(lambda g, x_shape: broadcast_to(g, x_shape))
def sum_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """The sum over the axes along which ``shape`` would have been broadcast to x's.

    Each element of x is counted in exactly one sum, so its gradient is that sum's: g, broadcast.
    """
    lead = x.ndim - len(shape)
    axes = (
        *range(lead),
        *(i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1),
    )
    return x.sum(axis=axes, keepdims=True).reshape(shape)


@vjp(lambda g, x_shape: sum_to(g, x_shape))
def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """x repeated along new or length-1 axes to ``shape``; its adjoint sums over the repeats."""
    return array_module(x).broadcast_to(x, shape)


@vjp(lambda g: g)
def identity(x: Array, /) -> Array:
    """x under another name."""
    return x.view()


def copy_of(array: Array) -> Array:
    """A copy of an array, in C order."""
    return array_module(array).array(array, order="C")


@vjp(lambda g: g)
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
        made._node = _CAST.record([x], {}, made, ())
    return made


_CAST = Primitive(
    lambda x: x, lambda g: g, name="astype"
)  # astype's own node; g is cast by the tape
