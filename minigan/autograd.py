"""The tape: how operations are recorded, and how gradients travel back along them.

A *primitive* is a pair of functions. ``forward`` maps arrays to an array. ``backward`` maps the
gradient g = ∂L/∂y of some scalar L to the gradients ∂L/∂x of the operands, and is itself written
with primitives, so that running it with the tape on gives gradients that can be differentiated
again. Applying a primitive to a tracked tensor adds one ``Node``; ``grad`` and ``backward`` visit
the nodes from the deepest to the leaves, each exactly once, after everything that used it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, ParamSpec

import numpy as np

from .backend import FLOATS, Array, array_module, is_array
from .errors import (
    DeviceError,
    GradientError,
    GraphFreedError,
    NotTwiceDifferentiableError,
    StaleTensorError,
)
from .tensor import Leaf, Tensor, TensorLike, as_tensor, backward_of, no_grad, recording, wrap

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
        self.wants = {f: tuple(inspect.signature(f).parameters)[1:] for f in functions}
        self._plan_keeping({name for names in self.wants.values() for name in names})

    def _read_signature(self, forward: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(forward).parameters.values())
        first = [p for p in parameters if p.kind is p.POSITIONAL_ONLY]
        many = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
        plain = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        operands = first or many or [p for p in plain if p.default is p.empty]
        self.variadic = bool(many) and not first
        self.operands = tuple(p.name for p in operands)
        settings = [p for p in parameters if p not in operands]
        self.settings = tuple(p.name for p in settings)
        self.defaults = {p.name: p.default for p in settings if p.default is not p.empty}

    def _plan_keeping(self, wanted: set[str]) -> None:
        known = {*self.operands, *self.settings, *self.extras, "out"}
        known |= {f"{name}_shape" for name in self.operands}
        if wanted - known:
            raise TypeError(
                f"primitive {self.name!r}: backward asks for {sorted(wanted - known)}, "
                f"but only {sorted(known)} can be kept"
            )
        self.keeps_out = "out" in wanted
        self.keeps = tuple(
            (index, name)
            for index, name in enumerate(self.operands)
            if name in wanted or self.composed is not None
        )
        self.keeps_shapes = tuple(
            (index, f"{name}_shape")
            for index, name in enumerate(self.operands)
            if f"{name}_shape" in wanted
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
        kept: dict[str, Any] = dict(zip(self.extras, extras, strict=True))
        if self.variadic:
            if self.keeps:
                kept[self.operands[0]] = tuple(_keep(t) for t in tensors)
            if self.keeps_shapes:
                kept[self.keeps_shapes[0][1]] = node.shapes
        else:
            for index, name in self.keeps:
                kept[name] = _keep(tensors[index])
            for index, name in self.keeps_shapes:
                kept[name] = node.shapes[index]
        if self.keeps_out:
            kept["out"] = _keep(result)
        node.kept = kept
        return node

    # Backward

    def gradients(self, node: Node, g: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """The gradients of a node's operands, None where not ``wanted``, in shape and dtype."""
        if node.kept is None:
            raise GraphFreedError(
                f"the graph through primitive {self.name!r} was freed by an earlier backward or "
                "grad; pass retain_graph=True there to use it again"
            )
        twice = recording.get()
        if self.composed is not None and twice:
            raw: Sequence[Any] = self._through_twin(node, g, wanted)
        elif self.joint is not None:
            raw = self.joint(g, **self._restored(node, self.wants[self.joint]))
            raw = raw if isinstance(raw, (tuple, list)) else (raw,)
            if len(raw) != len(node.parents):
                raise GradientError(
                    f"primitive {self.name!r}: backward returned {len(raw)} gradients "
                    f"for {len(node.parents)} operands"
                )
        else:
            raw = [
                f(g, **self._restored(node, self.wants[f])) if f is not None and want else None
                for f, want in zip(self.separate, wanted, strict=True)
            ]
        return [
            self._checked(node, i, gradient, g, twice) if want and gradient is not None else None
            for i, (gradient, want) in enumerate(zip(raw, wanted, strict=True))
        ]

    def _restored(self, node: Node, names: Iterable[str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        kept = node.kept or {}
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
            elif self.variadic and self.keeps and name == self.operands[0]:
                values[name] = tuple(k.tensor(self.name) for k in kept[name])
            else:
                values[name] = kept[name]
        return values

    def _through_twin(self, node: Node, g: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """Differentiate the composed twin instead, whose every step is on the tape."""
        assert self.composed is not None
        operands = self._restored(node, self.operands)
        # Fresh names for the operands, so that one tensor used twice gives two gradients.
        inputs = [_identity(operands[name]) for name in self.operands]
        result = self.composed(*inputs, **node.settings)
        asked = [t for t, want in zip(inputs, wanted, strict=True) if want]
        found = iter(grad(result, asked, g, create_graph=True, allow_unused=True))
        return [next(found) if want else None for want in wanted]

    def _checked(self, node: Node, i: int, gradient: Any, g: Tensor, twice: bool) -> Tensor:
        operand = self.operands[0] + f"[{i}]" if self.variadic else self.operands[i]
        if not isinstance(gradient, Tensor):
            gradient = as_tensor(gradient, dtype=None if is_array(gradient) else node.dtypes[i])
        if twice and g.requires_grad and not gradient.requires_grad and gradient._array.any():
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
        tensors = _operands(spec.name, args)
        arrays = [t._array for t in tensors]
        try:
            result = forward(*arrays, **settings)
        except ValueError as error:
            raise ValueError(f"{spec.name}: {error}") from None
        extra = ()
        if spec.extras:
            result, *extra = result
        dtype = _float_dtype(arrays)
        if type(result) is not np.ndarray or result.dtype != dtype:
            # NumPy returns scalars for 0-d results, and older versions widen them.
            result = array_module(result).asarray(result, dtype=dtype)
        made = wrap(result, None, _version_of_view(result, tensors))
        if recording.get() and any([t._node is not None for t in tensors]):
            made._node = spec.record(tensors, settings, made, extra)
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


def _float_dtype(arrays: Sequence[Array]) -> Any:
    for array in arrays:
        if array.dtype.kind == "f":
            return array.dtype
    raise TypeError("no operand is a float tensor or array")


def _operands(name: str, args: Sequence[Any]) -> list[Tensor]:
    """The operands as tensors of one dtype: numbers, 0-d and integer constants never widen it."""
    dtypes = [a._array.dtype for a in args if isinstance(a, Tensor)]
    if len(dtypes) == len(args) and len(set(dtypes)) == 1 and dtypes[0] in FLOATS:
        return list(args)
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
    return wrap(value if mask else xp.asarray(value, dtype=dtype))


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


# Going back


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: TensorLike | Sequence[TensorLike] = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    retain_graph: bool | None = None,
) -> tuple[Any, ...]:
    """The gradients of Σ⟨outputs, grad_outputs⟩ with respect to each of ``inputs``.

    ``grad_outputs`` defaults to one for outputs of a single element. With ``create_graph`` the
    gradients are tracked and can be differentiated again. The visited graph is freed unless
    ``retain_graph`` (which defaults to ``create_graph``). Only nodes on a path from an input to an
    output are visited. An input that no output depends on is an error, or None with
    ``allow_unused``. Returns a tuple, one tensor per input, each with an array of its own.
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise GradientError(f"inputs[{i}] is not tracked: make it with requires_grad=True")
    seeds = _seeds(outputs, grad_outputs, create_graph)
    found = _propagate(outputs, seeds, [x._node for x in inputs], create_graph, retain_graph)
    for i, x in enumerate(inputs):
        if found.get(x._node) is None and not allow_unused:
            raise GradientError(
                f"inputs[{i}], of shape {x.shape}, was not used to compute the outputs; "
                "pass allow_unused=True to get None for it"
            )
    distinct = _Distinct(seeds)
    return tuple(None if (g := found.get(x._node)) is None else distinct(g) for x in inputs)


def backward(
    output: Tensor,
    gradient: TensorLike = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> None:
    """Add ∂output/∂leaf to the ``grad`` of every leaf that ``output`` was computed from.

    ``gradient`` is the gradient of ``output`` itself, one by default if it is a single element.
    """
    if not output.requires_grad:
        raise GradientError("backward: this tensor is not tracked, so nothing can be had from it")
    seeds = _seeds([output], None if gradient is None else [gradient], create_graph)
    leaves = [node for node in _collect([output._node]) if type(node) is Leaf]
    found = _propagate([output], seeds, leaves, create_graph, retain_graph)
    distinct = _Distinct(seeds)
    for leaf in leaves:
        tensor, g = leaf.tensor(), found.get(leaf)
        if tensor is not None and g is not None:
            tensor.grad = distinct(g) if tensor.grad is None else add(tensor.grad, g)


class _Distinct:
    """Gives every gradient an array of its own, so that no two results share memory."""

    def __init__(self, seeds: Sequence[Tensor]) -> None:
        self.seen = {id(seed._array) for seed in seeds}
        self.keep = list(seeds)  # alive, so that no id is used again

    def __call__(self, g: Tensor) -> Tensor:
        if g._array.base is not None or id(g._array) in self.seen:
            g = _copied(g) if g.requires_grad else wrap(_copy_of(g._array))
        self.seen.add(id(g._array))
        self.keep.append(g)
        return g


def _seeds(outputs: Sequence[Tensor], given: Any, create_graph: bool) -> list[Tensor]:
    if given is None:
        given = [None] * len(outputs)
    elif isinstance(given, Tensor) or is_array(given) or np.isscalar(given):
        given = [given]
    if len(given) != len(outputs):
        raise ValueError(f"grad_outputs: got {len(given)} for {len(outputs)} outputs")
    seeds = []
    for i, (output, seed) in enumerate(zip(outputs, given, strict=True)):
        if not isinstance(output, Tensor):
            raise TypeError(f"outputs[{i}]: got {type(output).__name__}, wanted a Tensor")
        array, xp = output._array, array_module(output._array)
        if seed is None and output.size != 1:
            raise GradientError(
                f"outputs[{i}] has shape {output.shape}: only a single element has a gradient by "
                "itself; sum it, or pass grad_outputs"
            )
        if seed is None:
            seed = wrap(xp.ones_like(array))
        else:
            seed = as_tensor(seed, dtype=None if is_array(seed) else array.dtype)
            if seed.dtype != array.dtype:
                seed = astype(seed, array.dtype)
        if seed.shape != output.shape:
            raise ValueError(f"grad_outputs[{i}]: got shape {seed.shape}, wanted {output.shape}")
        if array_module(seed._array) is not xp:
            raise DeviceError(f"grad_outputs[{i}] is on {seed.device}, its output {output.device}")
        if create_graph and not seed.requires_grad:
            # Tracked, so that a backward which leaves the tape is noticed.
            seed = Tensor(seed, requires_grad=True)
        seeds.append(seed)
    return seeds


def _collect(starts: Iterable[Any]) -> list[Any]:
    """All nodes that the starts were computed from, deepest first."""
    seen: dict[Any, None] = {}
    stack = [node for node in starts if node is not None]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack.extend(parent for parent in node.parents if parent is not None)
    return sorted(seen, key=lambda node: -node.depth)


def _propagate(
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    targets: Sequence[Any],
    create_graph: bool,
    retain_graph: bool | None,
) -> dict[Any, Tensor]:
    """Carry the seeds back to the ``targets`` (nodes), through the nodes that lie between."""
    retain = create_graph if retain_graph is None else retain_graph
    order = _collect(output._node for output in outputs)
    wanted = set(targets)
    needed = set(wanted)
    for node in reversed(order):
        if any(parent in needed for parent in node.parents):
            needed.add(node)
    pending: dict[Any, Tensor] = {}
    found: dict[Any, Tensor] = {}
    mode = recording.set(create_graph)
    name = backward_of.get()
    try:
        for output, seed in zip(outputs, seeds, strict=True):
            _accumulate(pending, output._node, seed)
        for node in order:
            g = pending.pop(node, None)
            if g is None or node not in needed:
                continue
            if node in wanted:
                found[node] = g
            if type(node) is Leaf:
                continue
            flags = [parent in needed for parent in node.parents]
            if not any(flags):
                continue
            if create_graph:
                backward_of.set(node.primitive.name)
            for parent, part in zip(
                node.parents, node.primitive.gradients(node, g, flags), strict=True
            ):
                if part is not None:
                    _accumulate(pending, parent, part)
            if not retain:
                node.kept = None
    finally:
        recording.reset(mode)
        backward_of.set(name)
    return found


def _accumulate(pending: dict[Any, Tensor], node: Any, g: Tensor) -> None:
    if node is not None:
        old = pending.get(node)
        pending[node] = g if old is None else add(old, g)


# The operations that the tape itself is made of: gradients are added where paths meet, summed
# over broadcast axes, and cast to their operand's dtype.


@elementwise(lambda g: g, lambda g: g)
def add(a: Array, b: Array, /) -> Array:
    """a + b, broadcast. ∂(a + b)/∂a = ∂(a + b)/∂b = 1, so both gradients are g."""
    return a + b


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
def _identity(x: Array, /) -> Array:
    """x under another name."""
    return x.view()


def _copy_of(array: Array) -> Array:
    return array_module(array).array(array, order="C")


@vjp(lambda g: g)
def _copied(x: Array, /) -> Array:
    """A copy of x."""
    return _copy_of(x)


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

__all__ = ["add", "astype", "backward", "broadcast_to", "grad", "no_grad", "primitive", "sum_to"]
