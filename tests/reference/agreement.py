"""One function in minigan and in PyTorch: values, gradients and second gradients side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

import minigan as mg
from minigan.tensor import Tensor

RELATIVE = 1e-9


class Derivatives(NamedTuple):
    """f(x), ∇ₓ⟨v, f(x)⟩, and the gradient of ⟨u, ∇ₓ⟨v, f(x)⟩⟩ by x and by v, for random v and u."""

    values: list[np.ndarray]
    gradients: list[np.ndarray]
    second_by_inputs: list[np.ndarray]
    second_by_cotangents: list[np.ndarray]

    def largest(self) -> dict[str, float]:
        """The largest magnitude in each of the four."""
        named = self._asdict().items()
        return {k: max((np.abs(a).max(initial=0) for a in v), default=0.0) for k, v in named}


def agree(
    ours: Callable[..., Any], theirs: Callable[..., Any], arrays: Sequence[np.ndarray]
) -> Derivatives:
    """Assert that all derivatives are PyTorch's to 1e-9 of the largest entry; returns PyTorch's.

    ``ours`` takes minigan's tensors and ``theirs`` PyTorch's, one for each of ``arrays`` (float64).
    Each returns a tensor or a sequence of them.
    """
    found, wanted = of_minigan(ours, arrays), of_torch(theirs, arrays)
    for what, mine, reference in zip(Derivatives._fields, found, wanted, strict=True):
        for i, (a, b) in enumerate(zip(mine, reference, strict=True)):
            same(f"{what}[{i}]", a, b)
    return wanted


def same(what: str, found: np.ndarray, wanted: np.ndarray) -> None:
    """Of one shape, and apart by at most 1e-9 of the largest entry wanted."""
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, PyTorch {wanted.shape}"
    difference = np.abs(found - wanted).max(initial=0)
    scale = np.abs(wanted).max(initial=0)
    assert difference <= RELATIVE * scale, (
        f"{what}: {difference:.3g} apart, where the largest entry is {scale:.3g}\n"
        f"minigan:\n{found}\nPyTorch:\n{wanted}"
    )


def of_minigan(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> Derivatives:
    """The derivatives by minigan."""
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    ys = _listed(function(*xs))
    vs = [Tensor(v, requires_grad=True) for v in _normals(ys, 1)]
    first = mg.grad(ys, xs, vs, create_graph=True, allow_unused=True)
    pairs = zip(first, _normals(xs, 2), strict=True)
    tracked = [(g, u) for g, u in pairs if g is not None and g.requires_grad]
    second = _gradients(tracked, [*xs, *vs])
    return Derivatives(
        [_array(y) for y in ys],
        _arrays(first, xs),
        _arrays(second[: len(xs)], xs),
        _arrays(second[len(xs) :], vs),
    )


def _gradients(tracked: list[tuple[Tensor, np.ndarray]], leaves: list[Tensor]) -> Sequence[Any]:
    if not tracked:
        return [None] * len(leaves)
    gradients, us = zip(*tracked, strict=True)
    return mg.grad(gradients, leaves, us, allow_unused=True)


def of_torch(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> Derivatives:
    """The derivatives by PyTorch."""
    xs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ys = _listed(function(*xs))
    vs = [torch.tensor(v, requires_grad=True) for v in _normals(ys, 1)]
    seeds = [v.to(y.dtype) for v, y in zip(vs, ys, strict=True)]
    first = torch.autograd.grad(ys, xs, seeds, create_graph=True, allow_unused=True)
    pairs = zip(first, _normals(xs, 2), strict=True)
    tracked = [(g, torch.tensor(u)) for g, u in pairs if g is not None and g.requires_grad]
    second: Sequence[Any] = [None] * len([*xs, *vs])
    if tracked:
        gradients, us = zip(*tracked, strict=True)
        second = torch.autograd.grad(gradients, [*xs, *vs], us, allow_unused=True)
    return Derivatives(
        [_array(y) for y in ys],
        _arrays(first, xs),
        _arrays(second[: len(xs)], xs),
        _arrays(second[len(xs) :], vs),
    )


def _listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def _normals(tensors: Sequence[Any], stream: int) -> list[np.ndarray]:
    """A random array for each tensor; the same for both libraries."""
    rng = np.random.default_rng(stream)
    return [rng.normal(size=tuple(t.shape)) for t in tensors]


def _arrays(found: Sequence[Any], like: Sequence[Any]) -> list[np.ndarray]:
    """As NumPy arrays, with zeros for None: what nothing depends on."""
    return [
        np.zeros(tuple(t.shape)) if g is None else _array(g)
        for g, t in zip(found, like, strict=True)
    ]


def _array(found: Any) -> np.ndarray:
    return found.numpy() if isinstance(found, Tensor) else found.numpy(force=True)
