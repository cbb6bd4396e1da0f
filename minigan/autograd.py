"""Gradients: walking the tape back, from outputs to inputs.

Each node between them is visited exactly once, after everything that used its result: from the
deepest to the leaves. There the gradients of all uses have been added up to g = ∂L/∂y, and the
node's primitive turns that into the gradients of its operands. With ``create_graph`` the tape
runs meanwhile, so that the gradients can be differentiated again.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from .backend import Array, array_module, is_array
from .buffers import buffers_for, is_view
from .errors import DeviceError, GradientError, NotTwiceDifferentiableError
from .primitives import add, astype, copied, copy_of, identity, on_arrays, sum_to
from .tape import Node
from .tensor import Leaf, Tensor, TensorLike, as_tensor, backward_of, recording, wrap


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
        if is_view(g._array) or id(g._array) in self.seen:
            g = copied(g) if g.requires_grad else wrap(copy_of(g._array))
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
            seed = as_tensor(seed, dtype=array.dtype)
            if seed.dtype != array.dtype:
                seed = astype(seed, array.dtype)
        if seed.shape != output.shape:
            raise ValueError(f"grad_outputs[{i}]: got shape {seed.shape}, wanted {output.shape}")
        if seed.device != output.device:
            raise DeviceError(f"grad_outputs[{i}] is on {seed.device}, its output {output.device}")
        if create_graph and not seed.requires_grad:
            # Tracked, so that a backward which leaves the tape is noticed.
            seed = Tensor(seed, requires_grad=True)
        seeds.append(seed)
    return seeds


def _collect(starts: Iterable[Any]) -> list[Any]:
    """All nodes that the starts were computed from, deepest first."""
    seen: dict[Any, None] = {}  # in the order of insertion, so that sums have an order
    stack = [node for node in starts if node is not None]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack += [parent for parent in node.parents if parent is not None]
    return sorted(seen, key=_depth, reverse=True)


_depth = operator.attrgetter("depth")


def _propagate(
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    targets: Sequence[Any],
    create_graph: bool,
    retain_graph: bool | None,
) -> dict[Any, Tensor]:
    """Carry the seeds back to the ``targets`` (nodes), through the nodes that lie between.

    On the way gradients are tensors if they are recorded, and arrays if not, which is quicker.
    """
    retain = create_graph if retain_graph is None else retain_graph
    order = _collect(output._node for output in outputs)
    wanted = set(targets)
    needed = set(wanted)
    for node in reversed(order):
        for parent in node.parents:
            if parent in needed:
                needed.add(node)
                break
    pending: dict[Any, Any] = {}
    mode, plain = recording.set(create_graph), on_arrays.set(not create_graph)
    name = backward_of.get()
    try:
        for output, seed in zip(outputs, seeds, strict=True):
            _accumulate(pending, output._node, seed if create_graph else seed._array)
        found: dict[Any, Any] = {}
        for node in order:
            g = pending.pop(node, None)
            if g is None or node not in needed:
                continue
            if node in wanted:
                found[node] = g
            flags = [parent in needed for parent in node.parents]
            if True not in flags:
                continue
            if create_graph:
                backward_of.set(node.primitive.name)
                parts = _recorded(node, g, flags)
            else:
                parts = _unrecorded(node, g, flags)
            for parent, part in zip(node.parents, parts):  # noqa: B905 - one for each
                if part is not None:
                    _accumulate(pending, parent, part)
            if not retain:
                node.kept = None
    finally:
        recording.reset(mode)
        on_arrays.reset(plain)
        backward_of.set(name)
    return found if create_graph else {node: wrap(g) for node, g in found.items()}


def _accumulate(pending: dict[Any, Any], node: Any, g: Any) -> None:
    if node is not None:
        pending[node] = add(pending[node], g) if node in pending else g


def _unrecorded(node: Node, g: Array, wanted: Sequence[bool]) -> list[Array | None]:
    """The gradients of a node's operands, None where not ``wanted`` or where there is none."""
    primitive = node.primitive
    # Operators on large tensors write to memory that goes round, those on arrays to new memory.
    xp = array_module(g)
    if primitive.always_plain or (primitive.plain and buffers_for(xp, g.nbytes) is None):
        raw = primitive.gradients(node, g, wanted, plain=True)
    else:
        mode = on_arrays.set(False)
        try:
            raw = primitive.gradients(node, wrap(g), wanted, plain=False)
        finally:
            on_arrays.reset(mode)
    found: list[Array | None] = []
    for part, want, shape in zip(raw, wanted, node.shapes):  # noqa: B905 - of one length
        if part is None or not want:
            found.append(None)
            continue
        if type(part) is not np.ndarray:
            part = part._array if isinstance(part, Tensor) else part
            part = part if is_array(part) else xp.asarray(part, node.dtype)
        if part.dtype is not node.dtype or part.shape != shape:
            part = _fitted(node, len(found), part)
        found.append(part)
    return found


def _recorded(node: Node, g: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
    """The same on the tape. Raises where a backward went off it."""
    primitive = node.primitive
    if primitive.composed is not None:
        raw = _through_twin(node, g, wanted)
    else:
        raw = primitive.gradients(node, g, wanted, plain=False)
    found: list[Tensor | None] = []
    for i, (part, want) in enumerate(zip(raw, wanted, strict=True)):
        if not want or part is None:
            found.append(None)
            continue
        if not isinstance(part, Tensor):
            part = as_tensor(part, dtype=node.dtype)
        if not part.requires_grad and part._array.any():  # g is tracked, or zero
            raise NotTwiceDifferentiableError(
                f"primitive {primitive.name!r}: the gradient of {_operand(node, i)!r} that its "
                "backward returned is off the tape, so it has no gradient; write the backward "
                "with minigan's functions on tensors"
            )
        found.append(_fitted(node, i, part))
    return found


def _fitted(node: Node, i: int, gradient: Any) -> Any:
    """The gradient of the i-th operand, in the operand's shape and dtype."""
    if gradient.dtype != node.dtype:
        gradient = gradient.astype(node.dtype)
    shape = node.shapes[i]
    if gradient.shape != shape:
        if not node.primitive.broadcasts or not _spreads(shape, gradient.shape):
            raise GradientError(
                f"primitive {node.primitive.name!r}: backward returned a gradient of shape "
                f"{gradient.shape} for operand {_operand(node, i)!r} of shape {shape}"
            )
        gradient = sum_to(gradient, shape)
    return gradient


def _operand(node: Node, i: int) -> str:
    """What errors call the i-th operand."""
    names = node.primitive.operands
    return f"{names[0]}[{i}]" if node.primitive.variadic else names[i]


def _spreads(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether an array of shape ``small`` broadcasts to ``large``."""
    ends = large[len(large) - len(small) :]
    return len(small) <= len(large) and all(n in (1, m) for n, m in zip(small, ends, strict=True))


def _through_twin(node: Node, g: Tensor, wanted: Sequence[bool]) -> Sequence[Any]:
    """Differentiate a primitive's composed twin, whose every step goes onto the tape."""
    primitive = node.primitive
    kept = primitive.tensors(node, (*primitive.operands, *primitive.settings))
    # Fresh names for the operands, so that one tensor used twice gives two gradients.
    inputs = [identity(kept[name]) for name in primitive.operands]
    settings = {name: kept[name] for name in primitive.settings}
    result = cast(Any, primitive.composed)(*inputs, **settings)
    asked = [t for t, want in zip(inputs, wanted, strict=True) if want]
    found = iter(grad(result, asked, g, create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]
