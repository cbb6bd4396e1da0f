"""What surrounds the numbers: a gradient can be right once and wrong the second time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..tensor import Tensor
from .errors import MutatedInputError, StateError
from .first_order import random_cotangents
from .subjects import ArrayFunction, Arrays, TensorFunction


@np.errstate(all="ignore")  # what is not finite is judged, not warned of
def check_tensor_state(
    subject: TensorFunction, outputs: list[np.ndarray], rng: np.random.Generator
) -> None:
    """Ask of a function of tensors all that a user of its gradients relies on.

    A zero cotangent gives exact zeros; a second backward gives the same bits and ``backward``
    adds to ``grad``; nothing given is written to; no two results share memory; a tensor used in
    two places gets the sum of what equal-valued tensors in those places get.
    """
    cotangents = random_cotangents(outputs, rng)
    _zero(subject.gradients(subject.inputs, [[v * 0 for v in cotangents]])[0])
    _twice(subject, cotangents)
    _adds_up(subject, cotangents)
    for i, j in itertools.combinations(range(len(subject.inputs)), 2):
        if subject.inputs[i].shape == subject.inputs[j].shape:
            _shared(subject, i, j, cotangents)


@np.errstate(all="ignore")  # what is not finite is judged, not warned of
def check_array_state(
    subject: ArrayFunction, outputs: list[np.ndarray], rng: np.random.Generator
) -> None:
    """A zero cotangent gives exact zeros, and the gradient is linear in the cotangent."""
    a, b = random_cotangents(outputs, rng), random_cotangents(outputs, rng)
    mixed = [0.7 * x - 1.9 * y for x, y in zip(a, b, strict=True)]
    zero = [x * 0 for x in a]
    of_a, of_b, of_mixed, of_zero = subject.gradients(subject.inputs, [a, b, mixed, zero])
    _zero(of_zero)
    for i, (x, y, m) in enumerate(zip(of_a, of_b, of_mixed, strict=True)):
        if x is None or y is None or m is None:
            continue
        size = np.abs(x).max(initial=0) + np.abs(y).max(initial=0)
        if np.abs(0.7 * x - 1.9 * y - m).max(initial=0) > 1e-10 * size:
            raise StateError(
                f"gradient of input {i}: is not linear in the cotangent, as every gradient is; "
                "is the cotangent used twice, or something left from an earlier call?"
            )


def _zero(found: Sequence[np.ndarray | None]) -> None:
    for i, g in enumerate(found):
        if g is not None and np.any(g):
            raise StateError(
                f"gradient of input {i}: a cotangent of zeros gave {np.abs(g).max():.6g} instead "
                "of exact zeros; something is added that does not depend on the cotangent"
            )


def _twice(subject: TensorFunction, cotangents: Arrays) -> None:
    xs = subject.tracked(subject.inputs)
    outputs = subject.outputs(xs)
    given = [
        Tensor(v, dtype=y.dtype, device=y.device) for v, y in zip(cotangents, outputs, strict=True)
    ]
    first = subject.grad(outputs, xs, given, retain_graph=True)
    kept = [None if g is None else g.numpy() for g in first]
    again = subject.grad(outputs, xs, given)
    for i, (g, old, new) in enumerate(zip(first, kept, again, strict=True)):
        if g is None or old is None or new is None:
            continue
        if not np.array_equal(old, new.numpy(), equal_nan=True):
            raise StateError(f"gradient of input {i}: a second backward gave other values")
        if not np.array_equal(old, g.numpy(), equal_nan=True):
            raise StateError(
                f"gradient of input {i}: a second backward wrote to the first's result"
            )
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
    total = None
    for y, v in zip(outputs, cotangents, strict=True):
        term = (y * Tensor(v, dtype=y.dtype, device=y.device)).sum()
        total = term if total is None else total + term
    if total is None or not total.requires_grad:
        return
    total.backward(retain_graph=True)
    once = [None if x.grad is None else x.grad.numpy() for x in xs]
    total.backward()
    for i, (x, g) in enumerate(zip(xs, once, strict=True)):
        if g is not None and (x.grad is None or not np.array_equal(x.grad.numpy(), 2 * g)):
            raise StateError(f"gradient of input {i}: backward does not add to grad")


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
    if np.abs(got - wanted).max(initial=0) > 1e-12 * size:
        raise StateError(
            f"a tensor used as both input {i} and input {j} does not get the sum of the gradients "
            "that two tensors of the same values get"
        )
