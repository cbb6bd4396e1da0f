"""Gradients: walking the tape back, from outputs to inputs.

Each node between them is visited exactly once, after everything that used its result: from the
deepest to the leaves. There the gradients of all uses have been added up to g = ∂L/∂y, and the
node's primitive turns that into the gradients of its operands. With ``create_graph`` the tape
runs meanwhile, so that the gradients can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from .backend import array_module, is_array
from .buffers import is_view
from .errors import DeviceError, GradientError
from .tape import Node, add, astype, copied, copy_of, identity
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
            for parent, part in zip(node.parents, _gradients(node, g, flags), strict=True):
                if part is not None:
                    _accumulate(pending, parent, part)
            if not retain:
                node.kept = None
    finally:
        recording.reset(mode)
        backward_of.set(name)
    return found


def _gradients(node: Node, g: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
    """The gradients of a node's operands, None where not ``wanted`` or where there is none."""
    primitive = node.primitive
    if primitive.composed is not None and recording.get():
        raw = _through_twin(node, g, wanted)
    else:
        raw = primitive.gradients(node, g, wanted)
    return [
        primitive.checked(node, i, gradient, g) if want and gradient is not None else None
        for i, (gradient, want) in enumerate(zip(raw, wanted, strict=True))
    ]


def _through_twin(node: Node, g: Tensor, wanted: Sequence[bool]) -> Sequence[Any]:
    """Differentiate a primitive's composed twin, whose every step goes onto the tape."""
    primitive = node.primitive
    operands = primitive.restored(node, primitive.operands)
    # Fresh names for the operands, so that one tensor used twice gives two gradients.
    inputs = [identity(operands[name]) for name in primitive.operands]
    result = cast(Any, primitive.composed)(*inputs, **node.settings)
    asked = [t for t, want in zip(inputs, wanted, strict=True) if want]
    found = iter(grad(result, asked, g, create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]


def _accumulate(pending: dict[Any, Tensor], node: Any, g: Tensor) -> None:
    if node is not None:
        old = pending.get(node)
        pending[node] = g if old is None else add(old, g)
