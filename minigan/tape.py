"""The tape: what a differentiable operation is, and how its applications are recorded.

A *primitive* is a pair of functions. ``forward`` maps arrays to an array. ``backward`` maps the
gradient g = ∂L/∂y of some scalar L to the gradients ∂L/∂x of the operands, and is itself written
with primitives, so that running it with the tape on gives gradients that can be differentiated
again. Applying a primitive to a tracked tensor adds one ``Node``, which keeps just what its
backward asks for; ``autograd`` walks the nodes back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .backend import FLOATS, Array, is_array
from .errors import (
    GradientError,
    GraphFreedError,
    NotTwiceDifferentiableError,
    StaleTensorError,
)
from .tensor import Tensor, recording, wrap

Backward = Callable[..., Any]

OUT = -1
"""The place of the result, among those of the operands."""

_UNWRITTEN = ([0], 0)  # the version of an array that nothing writes to


class Node:
    """One application of a primitive on the tape.

    ``kept`` holds arrays, shapes and settings by the names under which backward asks for them, and
    is None when they were freed. ``versions`` says of the kept arrays that belong to leaves, by
    place, which version they had. ``dtype`` is that of the operands that are differentiated.
    """

    __slots__ = ("depth", "dtype", "kept", "parents", "primitive", "shapes", "versions")

    primitive: Primitive
    parents: list[Any]
    shapes: list[tuple[int, ...]]
    dtype: Any
    kept: dict[str, Any] | None
    versions: dict[int, Any] | None
    depth: int


class _Plan(NamedTuple):
    """What a node keeps: operands, their shapes and extras, by place and name, and the result."""

    operands: tuple[tuple[int, str], ...]
    shapes: tuple[tuple[int, str], ...]
    extras: tuple[tuple[int, str], ...]
    out: bool


class Primitive:
    """What the tape knows of an operation: its forward, its backward, and what backward needs.

    The names of a backward's parameters, after the first (the gradient g), say what is kept for
    it: an operand's name (its values), ``<operand>_shape`` (only its shape), ``out`` (the result),
    a setting's name, an extra's name. No other array outlives the forward pass.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Backward | Sequence[Backward | None],
        *,
        broadcasts: bool = False,
        plain: bool = False,
        outer: Backward | None = None,
        at_once: Backward | None = None,
        extras: Sequence[str] = (),
        composed: Callable[..., Tensor] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or getattr(forward, "__name__", "primitive").strip("_")
        self.forward, self.composed, self.at_once = forward, composed, at_once
        self.outer = outer
        self.plain, self.always_plain = plain, plain and bool(composed or at_once)
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
        functions = [f for f in (self.outer, self.joint, self.at_once, *self.separate) if f]
        self.wants = {f: _parameter_names(f)[1:] for f in functions}
        self._check_wants({name for names in self.wants.values() for name in names})
        self._places = {name: place for place, name in enumerate(self.operands)} | {"out": OUT}
        self._plans: dict[int, _Plan] = {}  # by which operands are tracked, a bit for each

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

    def _plan(self, parents: Sequence[Any]) -> _Plan:
        """What to keep where operands with a parent are tracked: what their gradients name."""
        if self.joint is not None:
            wanted = set(self.wants[self.joint])
        else:
            pairs = zip(self.separate, parents, strict=True)
            wanted = {name for f, parent in pairs if f and parent for name in self.wants[f]}
            if self.at_once is not None and None not in parents:
                wanted |= set(self.wants[self.at_once])
        if self.outer is not None:
            wanted |= set(self.wants[self.outer])
        if self.composed is not None:
            wanted |= set(self.operands)
        named = list(enumerate(self.operands))
        return _Plan(
            tuple((place, name) for place, name in named if name in wanted),
            tuple((place, f"{name}_shape") for place, name in named if f"{name}_shape" in wanted),
            tuple((place, name) for place, name in enumerate(self.extras) if name in wanted),
            "out" in wanted,
        )

    # Forward

    def bind(self, args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Any, ...]:
        """Split a call's arguments into operands and settings, as the forward's signature says."""
        count = len(args) if self.variadic else len(self.operands)
        if len(args) > count:
            if len(args) - count > len(self.settings):
                raise TypeError(f"{self.name}() got too many arguments")
            for name, value in zip(self.settings, args[count:], strict=False):
                if name in settings:
                    raise TypeError(f"{self.name}() got two values for {name}")
                settings[name] = value
        elif len(args) < count:
            named = {name: settings.pop(name) for name in self.operands if name in settings}
            args = (*args, *(named[n] for n in self.operands[len(args) :] if n in named))
            if len(args) < count:
                raise TypeError(f"{self.name}() needs {', '.join(self.operands)}")
        return args[:count]

    def record(
        self,
        tensors: Sequence[Tensor],
        arrays: Sequence[Array],
        settings: dict[str, Any],
        result: Tensor,
        extras: Sequence[Any],
    ) -> Node:
        """The node of one application: its parents, and what its backward asked to keep.

        ``settings`` is a dict of this application's own, in which the rest is kept too.
        """
        node = Node()
        node.primitive, node.kept, node.versions = self, settings, None
        node.parents, node.shapes, node.dtype = [], [], result._array.dtype
        depth, tracked = 0, 0
        for place, tensor in enumerate(tensors):
            parent = tensor._node
            node.parents.append(parent)
            node.shapes.append(arrays[place].shape)
            if parent is not None:
                tracked |= 1 << place
                if parent.depth > depth:
                    depth = parent.depth
        node.depth = depth + 1
        plan = self._plans.get(tracked)
        if plan is None:
            plan = self._plans[tracked] = self._plan(node.parents)
        for place, name in plan.operands:
            settings[name] = tuple(arrays) if self.variadic else arrays[place]
            for i in range(len(tensors)) if self.variadic else (place,):
                version = tensors[i]._version
                if version is not None:
                    _note_version(node, i, version)
        for place, name in plan.shapes:
            settings[name] = tuple(node.shapes) if self.variadic else node.shapes[place]
        for place, name in plan.extras:
            settings[name] = extras[place]
        if plan.out:
            settings["out"] = result._array
            if result._version is not None:
                _note_version(node, OUT, result._version)
        return node

    # Backward

    def gradients(self, node: Node, g: Any, wanted: Sequence[bool], plain: bool) -> Sequence[Any]:
        """What backward returns for a node: one gradient for each operand that is ``wanted``.

        It is run on tensors, or on arrays if ``plain``.
        """
        kept = self.arrays if plain else self.tensors
        if self.outer is not None:
            g = self.outer(g, **kept(node, self.wants[self.outer]))
        joint = self.joint
        if plain and self.at_once is not None and all(wanted):
            joint = self.at_once
        if joint is None:
            found: list[Any] = []
            for f, want in zip(self.separate, wanted):  # noqa: B905 - of one length
                if f is None or not want:
                    found.append(None)
                else:
                    found.append(f(g, **kept(node, self.wants[f])))
            return found
        raw = joint(g, **kept(node, self.wants[joint]))
        raw = raw if isinstance(raw, (tuple, list)) else (raw,)
        if len(raw) != len(node.parents):
            raise GradientError(
                f"primitive {self.name!r}: backward returned {len(raw)} gradients "
                f"for {len(node.parents)} operands"
            )
        return raw

    def arrays(self, node: Node, names: Iterable[str]) -> dict[str, Any]:
        """What a node kept, by name."""
        kept = node.kept
        if kept is None:
            raise GraphFreedError(
                f"the graph through primitive {self.name!r} was freed by an earlier backward or "
                "grad; pass retain_graph=True there to use it again"
            )
        if node.versions is not None:
            self._check_versions(node, names)
        return {name: kept[name] for name in names}

    def tensors(self, node: Node, names: Iterable[str]) -> dict[str, Any]:
        """The same, its arrays as tensors in their place on the tape again."""
        values = self.arrays(node, names)
        for name in names:
            place = self._places.get(name)
            if place is None:
                if name in self.extras and recording.get() and _is_float(values[name]):
                    raise NotTwiceDifferentiableError(
                        f"primitive {self.name!r}: its backward uses the extra {name!r}, which is "
                        "off the tape, so the gradient has no gradient; give it a composed twin, "
                        "or compute it in the backward"
                    )
            elif place != OUT and self.variadic:
                values[name] = tuple(_again(node, i, a) for i, a in enumerate(values[name]))
            else:
                values[name] = _again(node, place, values[name])
        return values

    def _check_versions(self, node: Node, names: Iterable[str]) -> None:
        """Raise if an array that is asked for was written to since it was kept."""
        kept, versions = node.kept or {}, node.versions or {}
        for name in names:
            place = self._places.get(name)
            if place is None:
                continue
            many = self.variadic and place != OUT
            for i in range(len(node.parents)) if many else (place,):
                version, seen = versions.get(i, _UNWRITTEN)
                if version[0] != seen:
                    shape = (kept[name][i] if many else kept[name]).shape
                    raise StaleTensorError(
                        f"primitive {self.name!r} kept an array of shape {shape} for its backward, "
                        "and an optimiser step or assign() has changed it since: call backward "
                        "before updating, or compute the forward pass again"
                    )


def _parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS or code.co_kwonlyargcount:
        return tuple(inspect.signature(function).parameters)
    return code.co_varnames[: code.co_argcount]  # the same, and ten times as fast


def _note_version(node: Node, place: int, version: list[int]) -> None:
    node.versions = node.versions or {}
    node.versions[place] = (version, version[0])


def _again(node: Node, place: int, array: Array) -> Tensor:
    """An array that a node kept, as the tensor that it was of."""
    version = node.versions[place][0] if node.versions and place in node.versions else None
    return wrap(array, node if place == OUT else node.parents[place], version)


def _is_float(value: Any) -> bool:
    return is_array(value) and value.dtype in FLOATS
