"""Products of matrices, and Einstein's sums of products."""

from __future__ import annotations

import math

import numpy as np

from ..backend import Array, array_module
from ..buffers import empty
from ..kernels import gemm
from ..primitives import primitive, sum_to, vjp
from ..tape import Backward
from ..tensor import Tensor, TensorLike
from .activation import bent, check_slope, gated
from .shape import reshape, swap_last, together


def matmul(a: TensorLike, b: TensorLike) -> Tensor:
    """The product of (stacks of) matrices (…, m, k) and (…, k, n), as ``numpy.matmul``.

    A vector is taken as one row on the left, one column on the right. With Y = AB,
    dL = ⟨G, dA·B + A·dB⟩ = ⟨G·Bᵀ, dA⟩ + ⟨Aᵀ·G, dB⟩: the gradients are G·Bᵀ and Aᵀ·G.
    """
    a, b = together("matmul", (a, b))
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[max(0, b.ndim - 2)]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not match")
    if a.ndim == 1:
        product = matmul(reshape(a, (1, a.size)), b)
        row = product.ndim - min(b.ndim, 2)  # the axis that stands for the vector's one row
        return reshape(product, (*product.shape[:row], *product.shape[row + 1 :]))
    if b.ndim == 1:
        product = matmul(a, reshape(b, (b.size, 1)))
        return reshape(product, product.shape[:-1])
    if b.ndim == 2 and a.ndim > 2:  # one flat product instead of many small ones
        product = _matmul(_rows(a), b)
        return reshape(product, (*a.shape[:-1], b.shape[-1]))
    return _matmul(a, b)


@vjp(
    lambda g, b: _matmul(g, swap_last(b)),
    lambda g, a: _matmul(swap_last(a), g),
    broadcasts=True,
    plain=True,
)
def _matmul(a: Array, b: Array, /) -> Array:
    if a.ndim != 2 or b.ndim != 2 or a.dtype != b.dtype:
        return gemm.stacked(a, b)
    return gemm.matmul(a, b, empty(array_module(a), (a.shape[0], b.shape[1]), a.dtype))


def affine(x: TensorLike, weight: TensorLike, bias: TensorLike, slope: float = 1.0) -> Tensor:
    """x·W + b for x (…, inputs), W (inputs, units) and b (units,), or a leaky ReLU of it.

    With Y = XW + 1·bᵀ, one row of X for each element of the other axes, the gradients are G·Wᵀ,
    Xᵀ·G and the sum of G's rows. A ``slope`` other than 1 is that of a leaky ReLU, done while Y is
    in the cache; G is then the gradient of its input. Raises ``ValueError`` where it is below 0.
    """
    x, weight, bias = together("affine", (x, weight, bias))
    if not x.ndim or weight.ndim != 2 or (x.shape[-1],) != weight.shape[:1]:
        raise ValueError(f"affine: shapes {x.shape} and {weight.shape} do not match")
    if bias.shape != weight.shape[1:]:
        raise ValueError(f"affine: got a bias of shape {bias.shape}, wanted {weight.shape[1:]}")
    check_slope(slope)
    rows = x if x.ndim == 2 else _rows(x)
    y = _affine(rows, weight, bias) if slope == 1 else _bent(rows, weight, bias, slope=slope)
    return y if x.ndim == 2 else reshape(y, (*x.shape[:-1], *bias.shape))


_AFFINE: tuple[Backward, ...] = (
    lambda g, weight: _matmul(g, swap_last(weight)),
    lambda g, x: _matmul(swap_last(x), g),
    lambda g, bias_shape: sum_to(g, bias_shape),
)


@vjp(*_AFFINE, plain=True)
def _affine(x: Array, weight: Array, bias: Array, /) -> Array:
    return _sum(x, weight, bias)


@vjp(*_AFFINE, outer=lambda g, out, slope: gated(g, out, slope), plain=True, name="affine")
def _bent(x: Array, weight: Array, bias: Array, /, slope: float) -> Array:
    return bent(_sum(x, weight, bias), slope)


def _sum(x: Array, weight: Array, bias: Array) -> Array:
    result = gemm.matmul(x, weight, empty(array_module(x), (len(x), len(bias)), x.dtype))
    result += bias
    return result


def _rows(x: Tensor) -> Tensor:
    """x (…, k) as (n, k)."""
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def einsum(subscripts: str, *operands: TensorLike) -> Tensor:
    """``numpy.einsum``: the sum of products that ``subscripts`` spells, such as "ij,jk->ik".

    The sum is linear in each operand, so the gradient of one is again such a sum: g takes the
    operand's place, and the letters of operand and result change places. Two cases need more: a
    letter that only this operand has (or the others with length 1) was summed away, so its
    gradient is repeated along it (a factor of ones); a letter that it has twice picked a
    diagonal, so its gradient is put back on one (a factor δ).
    """
    tensors = together("einsum", operands)
    inputs, output = _explicit(subscripts, [t.ndim for t in tensors])
    return _einsum(*tensors, inputs=inputs, output=output)


def _explicit(subscripts: str, ndims: list[int]) -> tuple[tuple[str, ...], str]:
    """The letters of each operand and of the result, with "…" and a missing "->" spelt out."""
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} names {len(inputs)} operands, got {len(ndims)}")
    spare = iter(sorted(_LETTERS - set(text), reverse=True))
    named = [len(letters.replace("...", "")) for letters in inputs]
    widths = [
        ndim - n if "..." in letters else 0
        for letters, ndim, n in zip(inputs, ndims, named, strict=True)
    ]
    shared = "".join(next(spare) for _ in range(max(widths, default=0)))
    if not arrow:
        letters = left.replace("...", "").replace(",", "")
        output = shared + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    spelt = []
    for letters, width, n, ndim in zip(inputs, widths, named, ndims, strict=True):
        if width < 0 or n + width != ndim:
            raise ValueError(f"einsum: {letters!r} does not fit an operand of {ndim} axes")
        spelt.append(letters.replace("...", shared[len(shared) - width :]))
    return tuple(spelt), output.replace("...", shared)


_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _einsum_forward(*operands: Array, inputs: tuple[str, ...], output: str) -> Array:
    if array_module(operands[0]) is not np and len(operands) == 2 and _within(*inputs):
        return _multiplied(operands[0], operands[1], inputs[0], inputs[1], output)
    text = ",".join(inputs) + "->" + output
    result = array_module(operands[0]).einsum(text, *operands, optimize=len(operands) > 1)
    # A single operand may come back as a view; a result of its own is simpler to reason about.
    return result if result.base is None else result.copy()


def _within(first: str, second: str) -> bool:
    """Whether one operand has all letters that the other has, and neither has one twice."""
    small, large = sorted((first, second), key=len)
    return set(small) <= set(large) and all(len(set(w)) == len(w) for w in (small, large))


def _multiplied(x: Array, y: Array, first: str, second: str, output: str) -> Array:
    """Such operands' sum of products, element by element: CuPy's own may not be captured."""
    order = output + "".join(sorted(set(first + second) - set(output)))
    x, y = (
        a.transpose([word.index(c) for c in order if c in word])[
            tuple(slice(None) if c in word else None for c in order)
        ]
        for a, word in ((x, first), (y, second))
    )
    product = x * y
    summed = tuple(range(len(output), len(order)))
    return product.sum(axis=summed) if summed else product


def _einsum_gradient(
    g: Tensor, operands: tuple[Tensor, ...], inputs: tuple[str, ...], output: str
) -> list[Tensor]:
    return [_einsum_one(g, k, operands, inputs, output) for k in range(len(operands))]


def _einsum_one(
    g: Tensor, k: int, operands: tuple[Tensor, ...], inputs: tuple[str, ...], output: str
) -> Tensor:
    xp, x = array_module(g._array), operands[k]
    spare = iter(sorted(_LETTERS - set("".join(inputs) + output)))
    factors: list[TensorLike] = [g, *operands[:k], *operands[k + 1 :]]
    letters = [output, *inputs[:k], *inputs[k + 1 :]]
    target = ""
    for letter, size in zip(inputs[k], x.shape, strict=True):
        if letter in target:  # a diagonal
            twin = next(spare)
            factors.append(xp.eye(size, dtype=g.dtype))
            letters.append(letter + twin)
            letter = twin
        elif size not in _sizes(letter, factors, letters):  # summed away
            factors.append(xp.ones(size, dtype=g.dtype))
            letters.append(letter)
        target += letter
    return _einsum(*factors, inputs=tuple(letters), output=target)


def _sizes(letter: str, factors: list[TensorLike], letters: list[str]) -> set[int]:
    """The lengths that ``letter`` has in the factors, spelt by ``letters``."""
    pairs = zip(factors, letters, strict=True)
    return {n for x, word in pairs for c, n in zip(word, x.shape, strict=True) if c == letter}


_einsum = primitive(_einsum_forward, _einsum_gradient, broadcasts=True, name="einsum")

__all__ = ["affine", "einsum", "matmul"]
