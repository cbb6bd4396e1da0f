"""What every operation must do, whatever its mathematics: ``behaves`` asks for all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigan as mg
from minigan.backend import array_module, is_array, to_device
from minigan.tensor import Tensor, as_tensor
from minigan.testing import check_gradients

FLOATS = (np.float16, np.float32, np.float64)


def listed(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def plain(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        return value.numpy()
    return to_device(value, "cpu") if is_array(value) else np.asarray(value)


def share_memory(one: Any, other: Any) -> bool:
    """Whether two arrays do; one on the CPU and one on a GPU can't."""
    return array_module(one) is array_module(other) and np.shares_memory(one, other)


def close(actual: Any, expected: Any, relative: float = 1e-12) -> None:
    """Of the same shape, and equal to ``relative`` of the largest expected entry."""
    actual, expected = plain(actual), plain(expected)
    assert actual.shape == expected.shape
    scale = np.abs(expected).max(initial=0)
    difference = np.abs(actual - expected)
    assert difference.max(initial=0) <= relative * scale, f"{actual}\n{expected}"


def close_each(actual: Any, expected: Any, relative: float = 1e-12) -> None:
    """Of the same shape, and each entry equal to ``relative`` of itself."""
    actual, expected = plain(actual), plain(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=0)


def gradient(function: Callable[..., Any], *arrays: Any, g: Any = None, of: int = 0) -> np.ndarray:
    """The gradient with respect to one operand, with a cotangent of ones unless ``g`` is given."""
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    y = function(*xs)
    (found,) = mg.grad(y, [xs[of]], np.ones(y.shape) if g is None else g)
    return found.numpy()


def behaves(function: Callable[..., Any], *arrays: np.ndarray, order: int = 2) -> None:
    """Right gradients to second order, dtype in = dtype out, nothing written to, any layout."""
    check_gradients(function, arrays, order=order, empty=True)  # size 0 is drawn among others
    keeps_dtypes(function, arrays)
    leaves_operands_alone(function, arrays)
    takes_any_layout(function, arrays)


def keeps_dtypes(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> None:
    for dtype in FLOATS:
        xs = [Tensor(a, requires_grad=True, dtype=dtype) for a in arrays]
        ys = listed(function(*xs))
        assert [y.dtype for y in ys] == [dtype] * len(ys)
        ones = [np.ones(y.shape) for y in ys]
        for g in mg.grad(ys, xs, ones, allow_unused=True):
            assert g is None or g.dtype == dtype


def leaves_operands_alone(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> None:
    """Operands and cotangents are read-only: writing to one is an error, forward and back."""
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    for x in xs:
        x._array.flags.writeable = False  # which says nothing on a GPU: hence the look at the end
    ys = listed(function(*xs))
    seeds = [np.ones(y.shape) for y in ys]
    for seed in seeds:
        seed.flags.writeable = False
    first = mg.grad(ys, xs, seeds, create_graph=True, allow_unused=True)
    again = [g for g in first if g is not None and g.requires_grad]
    if again:
        mg.grad(again, xs, [np.ones(g.shape) for g in again], allow_unused=True)
    for x, before in zip(xs, arrays, strict=True):
        np.testing.assert_array_equal(x.numpy(), before)


def _transposed(a: np.ndarray) -> Tensor:
    return mg.transpose(Tensor(a.T))


def _reversed(a: np.ndarray) -> Tensor:
    return mg.flip(Tensor(np.flip(a)))


def _strided(a: np.ndarray) -> Tensor:
    return Tensor(a) if not a.ndim else Tensor(np.repeat(a, 2, axis=-1))[..., ::2]


def _batch_inside(a: np.ndarray) -> Tensor:
    """The first axis is the last but one in memory, as in maps that are (H, W, N, C) there."""
    if a.ndim < 3:
        return Tensor(a)
    inside = np.ascontiguousarray(np.moveaxis(a, 0, -2))
    return mg.transpose(Tensor(inside), (a.ndim - 2, *range(a.ndim - 2), a.ndim - 1))


def takes_any_layout(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> None:
    """The same values and gradients from operands that aren't contiguous in memory."""
    expected = _values_and_gradients(function, [Tensor(a) for a in arrays])
    for layout in (_transposed, _reversed, _strided, _batch_inside):
        found = _values_and_gradients(function, [layout(a) for a in arrays])
        for a, b in zip(found, expected, strict=True):
            close(a, b)
    for view in (_repeated, _overlapping):
        views = [view(a) for a in arrays]
        found = listed(function(*[as_tensor(v) for v in views]))
        for a, b in zip(found, listed(function(*[Tensor(v) for v in views])), strict=True):
            close(a, b)


def _values_and_gradients(function: Callable[..., Any], xs: list[Tensor]) -> list[np.ndarray]:
    # The tensor that is differentiated is the one with the unusual strides, under another name.
    for x in xs:
        assert not x.requires_grad
        x.requires_grad = True
    ys = listed(function(*xs))
    rng = np.random.default_rng(0)
    found = mg.grad(ys, xs, [rng.normal(size=y.shape) for y in ys], allow_unused=True)
    return [y.numpy() for y in ys] + [g.numpy() for g in found if g is not None]


def _repeated(a: np.ndarray) -> np.ndarray:
    """A view of a's shape whose first stride is zero."""
    return np.broadcast_to(a[:1], a.shape) if a.size and a.ndim else a


def _overlapping(a: np.ndarray) -> np.ndarray:
    """A view of a's shape into a's values in which neighbouring rows share memory."""
    if not a.size:
        return a
    flat = np.ascontiguousarray(a).reshape(-1)
    strides = (flat.itemsize,) * a.ndim
    return np.lib.stride_tricks.as_strided(flat, a.shape, strides, writeable=False)


def adjoint(
    forward: Callable[[np.ndarray], Any],
    backward: Callable[[np.ndarray], Any],
    x: np.ndarray,
    y: np.ndarray,
) -> None:
    """⟨A·x, y⟩ = ⟨x, Aᵀ·y⟩ but for rounding, and neither side is trivially zero."""
    image, back = plain(forward(x)), plain(backward(y))
    assert image.shape == y.shape and back.shape == x.shape
    size = np.abs(image * y).sum() + np.abs(x * back).sum()
    assert abs((image * y).sum() - (x * back).sum()) <= 1e-13 * size
    assert size > 0 or not x.size or not y.size or not image.any()
