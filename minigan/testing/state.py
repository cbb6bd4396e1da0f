"""What surrounds the numbers: a gradient can be right once and wrong the second time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..tensor import Leaf, Tensor
from .errors import MutatedInputError, StateError
from .probes import Arrays, random_like
from .subjects import ArrayFunction, Subject, TensorFunction


def check_tensor_state(
    subject: TensorFunction, outputs: list[np.ndarray], rng: np.random.Generator
) -> None:
    """Ask of a function of tensors all that a user of its gradients relies on.

    The gradient is linear in the cotangent, whatever its size and layout, and exactly zero for
    zeros; asked for alone it is what it is beside the others'; a second backward gives the same
    bits and ``backward`` adds to ``grad``; nothing given is written to; no two results share
    memory; a tensor used in two places gets the sum of what equal-valued tensors in those places
    get.
    """
    _linear(subject, outputs, rng)
    cotangents = random_like(outputs, rng)
    _alone(subject, cotangents)
    _twice(subject, cotangents)
    _adds_up(subject, cotangents)
    for i, j in itertools.combinations(range(len(subject.inputs)), 2):
        if subject.inputs[i].shape == subject.inputs[j].shape:
            _shared(subject, i, j, cotangents)


def check_array_state(
    subject: ArrayFunction, outputs: list[np.ndarray], rng: np.random.Generator
) -> None:
    """The gradient is linear in the cotangent, and exactly zero for zeros.

    Aliases are allowed: a function on arrays may well return its cotangent as a gradient.
    """
    _linear(subject, outputs, rng)


def _linear(subject: Subject, outputs: list[np.ndarray], rng: np.random.Generator) -> None:
    a, b = random_like(outputs, rng), random_like(outputs, rng)
    mixed = [0.7 * x - 1.9 * y for x, y in zip(a, b, strict=True)]
    sizes = 1e3, 1e-3
    large, small = ([size * np.asarray(x, order="F") for x in a] for size in sizes)
    asked = [a, b, mixed, large, small, [x * 0 for x in a]]
    of_a, of_b, of_mixed, of_large, of_small, of_zero = subject.gradients(subject.inputs, asked)
    _zero(subject, of_zero)
    for i, name in enumerate(subject.names):
        found = of_a[i], of_b[i], of_mixed[i], of_large[i], of_small[i]
        if any(g is None for g in found):
            continue
        x, y, mix, big, little = found
        size = np.abs(x).max(initial=0) + np.abs(y).max(initial=0)
        errors = [0.7 * x - 1.9 * y - mix, big / sizes[0] - x, little / sizes[1] - x]
        if not all(np.abs(e).max(initial=0) <= 1e-10 * size for e in errors):
            raise StateError(
                f"gradient of {name}: is not linear in the cotangent, as every gradient is; is "
                "the cotangent clipped, used twice, or added to something from an earlier call?"
            )


def _zero(subject: Subject, found: Sequence[Any]) -> None:
    for name, g in zip(subject.names, found, strict=True):
        if g is not None and np.any(g):
            raise StateError(
                f"gradient of {name}: a cotangent of zeros gave {np.abs(g).max():.6g} instead "
                "of exact zeros; something is added that does not depend on the cotangent"
            )


def _forward(
    subject: TensorFunction, cotangents: Arrays
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The inputs, tracked, what the function makes of them, and the cotangents of that."""
    xs = subject.tracked(subject.inputs)
    outputs = subject.outputs(xs)
    pairs = zip(cotangents, outputs, strict=True)
    return xs, outputs, [Tensor(v, dtype=y.dtype, device=y.device) for v, y in pairs]


def _alone(subject: TensorFunction, cotangents: Arrays) -> None:
    """A backward may go another way where not all operands' gradients are wanted."""
    if len(subject.inputs) == 1:
        return
    xs, outputs, given = _forward(subject, cotangents)
    together = subject.grad(outputs, xs, given, retain_graph=True)
    for name, x, beside in zip(subject.names, xs, together, strict=True):
        (alone,) = subject.grad(outputs, [x], given, retain_graph=True)
        if alone is None or beside is None:
            if alone is beside:
                continue
            raise StateError(f"gradient of {name}: is there only together with the others'")
        away = np.abs(alone.numpy() - beside.numpy()).max(initial=0)
        if not away <= 1e-10 * np.abs(beside.numpy()).max(initial=0):
            raise StateError(
                f"gradient of {name}: asked for alone it differs by {away:.6g} from what it is "
                "together with the others': one of the two backward functions is wrong"
            )


def _twice(subject: TensorFunction, cotangents: Arrays) -> None:
    xs, outputs, given = _forward(subject, cotangents)
    first = subject.grad(outputs, xs, given, retain_graph=True)
    kept = [None if g is None else g.numpy() for g in first]
    again = subject.grad(outputs, xs, given)
    for name, g, old, new in zip(subject.names, first, kept, again, strict=True):
        if g is None or old is None or new is None:
            continue
        if not np.array_equal(old, new.numpy()):
            raise StateError(f"gradient of {name}: a second backward gave other values")
        if not np.array_equal(old, g.numpy()):
            raise StateError(f"gradient of {name}: a second backward wrote to the first's result")
    for name, tensors, before in (("input", xs, subject.inputs), ("cotangent", given, cotangents)):
        for i, (t, old) in enumerate(zip(tensors, before, strict=True)):
            if not np.array_equal(t.numpy(), old.astype(t.dtype)):
                raise MutatedInputError(f"backward: wrote to {name} {i}; work on a copy")
    _unaliased(first, [*xs, *given])


def _unaliased(found: Sequence[Tensor | None], given: Sequence[Tensor]) -> None:
    owned = [(i, g._array) for i, g in enumerate(found) if g is not None]
    for i, a in owned:
        if any(_overlap(a, t._array) for t in given):
            raise StateError(f"gradient of input {i}: shares memory with an input or a cotangent")
        for j, b in owned:
            if i < j and _overlap(a, b):
                raise StateError(f"gradients of inputs {i} and {j}: share memory")


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return type(a) is np.ndarray and type(b) is np.ndarray and np.may_share_memory(a, b)


def _adds_up(subject: TensorFunction, cotangents: Arrays) -> None:
    """``backward`` twice leaves exactly twice as much in ``grad`` as once."""
    xs = subject.tracked(subject.inputs)
    outputs = subject.outputs(xs)
    terms = [
        (y * Tensor(v, dtype=y.dtype, device=y.device)).sum()
        for y, v in zip(outputs, cotangents, strict=True)
        if y.requires_grad
    ]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    with _grads_kept(total):
        total.backward(retain_graph=True)
        once = [None if x.grad is None else x.grad.numpy() for x in xs]
        total.backward()
        twice = [x.grad for x in xs]
    for name, g, sum_ in zip(subject.names, once, twice, strict=True):
        if g is not None and (sum_ is None or not np.array_equal(sum_.numpy(), 2 * g)):
            raise StateError(f"gradient of {name}: backward does not add to grad")


@contextmanager
def _grads_kept(tensor: Tensor) -> Iterator[None]:
    """Leaves the ``grad`` of every leaf as it was: the function may hold some of the user's."""
    seen, stack, leaves = set(), [tensor._node], []
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        stack.extend(node.parents)
        if isinstance(node, Leaf) and (leaf := node.tensor()) is not None:
            leaves.append((leaf, leaf.grad))
    try:
        yield
    finally:
        for leaf, before in leaves:
            leaf.grad = before


def _shared(subject: TensorFunction, i: int, j: int, cotangents: Arrays) -> None:
    """f(…, a, …, a, …) against f(…, a, …, b, …), b a leaf of the same values as a."""
    for source in (i, j):
        xs = subject.tracked(subject.inputs)
        xs[i] = subject.tracked(subject.inputs)[source]
        twin = subject.tracked(subject.inputs)[source]
        apart = [twin if k == j else x for k, x in enumerate(xs)]
        together = [xs[i] if k == j else x for k, x in enumerate(xs)]
        outputs = subject.outputs(apart)
        if all(np.isfinite(y.numpy()).all() for y in outputs):
            break
    else:
        return  # the two places have domains that don't meet
    of_i, of_j = subject.grad(outputs, [apart[i], twin], cotangents)
    (of_both,) = subject.grad(subject.outputs(together), [together[i]], cotangents)
    parts = [g.numpy() for g in (of_i, of_j) if g is not None]
    if not parts or not all(np.isfinite(p).all() for p in parts):
        return
    wanted = sum(parts)
    got = np.zeros_like(wanted) if of_both is None else of_both.numpy()
    size = max(float(np.abs(p).max(initial=0)) for p in parts)
    if not np.abs(got - wanted).max(initial=0) <= 1e-12 * size:
        raise StateError(
            f"a tensor used as both {subject.names[i]} and {subject.names[j]} does not get the sum "
            "of the gradients that two tensors of the same values get"
        )
