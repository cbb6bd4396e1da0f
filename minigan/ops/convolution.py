"""Convolution: three bilinear maps that are each other's adjoints.

Write y = F(x, w) for convolution, which is linear in the map x and in the weights w, and let
I and W be its adjoints: ⟨g, F(x, w)⟩ = ⟨I(g, w), x⟩ = ⟨W(x, g), w⟩. So the gradients of F are
I(g, w) and W(x, g). I and W are bilinear too, and the same identity read from their side gives

    ⟨c, I(y, w)⟩ = ⟨F(c, w), y⟩ = ⟨W(c, y), w⟩        ⟨c, W(x, y)⟩ = ⟨I(y, c), x⟩ = ⟨F(x, c), y⟩

so that the three close under differentiation, to any order. I is the transposed convolution.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..kernels import choice as kernel
from ..kernels.bilinear import Kept
from ..kernels.windows import Pair, Window
from ..primitives import vjp
from ..tensor import Tensor, TensorLike
from .geometry import IntOrPair, Padding, transposed_size, window
from .shape import reshape, together


@vjp(
    lambda g, w, x_shape, window, groups: _input_gradient(g, w, window, groups, x_shape[1:3]),
    lambda g, x, window, groups: _weight_gradient(x, g, window, groups),
    plain=True,
    at_once=lambda g, x, w, window, groups, kept: kernel.convolve_gradients(
        x, w, g, window, groups, kept
    ),
    extras=("kept",),
)
def _convolve(x: Array, w: Array, /, window: Window, groups: int) -> tuple[Array, Kept]:
    """F(x, w): y[n, p, q, o] = Σ x[n, p·s + i, q·s + j, c]·w[i, j, c, o] over i, j and c."""
    kept: Kept = []
    return kernel.convolve(x, w, window, groups, kept), kept


@vjp(
    lambda g, w, window, groups: _convolve(g, w, window, groups),
    lambda g, y, window, groups: _weight_gradient(g, y, window, groups),
    plain=True,
    at_once=lambda g, y, w, window, groups, kept: kernel.input_gradient_gradients(
        y, w, g, window, groups, kept
    ),
    extras=("kept",),
)
def _input_gradient(
    y: Array, w: Array, /, window: Window, groups: int, size: Pair
) -> tuple[Array, Kept]:
    """I(y, w), on a map of ``size``."""
    kept: Kept = []
    return kernel.input_gradient(y, w, window, groups, size, kept), kept


@vjp(
    lambda g, y, x_shape, window, groups: _input_gradient(y, g, window, groups, x_shape[1:3]),
    lambda g, x, window, groups: _convolve(x, g, window, groups),
    plain=True,
)
def _weight_gradient(x: Array, y: Array, /, window: Window, groups: int) -> Array:
    """W(x, y), with the window's taps."""
    return kernel.weight_gradient(x, y, window, groups)


def conv2d(
    x: TensorLike,
    w: TensorLike,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of x (N, H, W, C_in) with w (kh, kw, C_in/groups, C_out) to (N, H', W', C_out).

    As in every deep-learning library the kernel is not flipped (cross-correlation). ``padding`` is
    "valid", "same" (Keras's) or explicit, see ``ops.geometry.window``. With ``groups`` the
    channels form that many blocks, each output block seeing only its input block.
    """
    x, w = together("conv2d", (x, w))
    _check_rank("conv2d", x, w)
    _check_channels("conv2d", x.shape[3], w.shape[2], w.shape[3], groups)
    where = window(x.shape[1:3], w.shape[:2], stride, padding, dilation)
    return _convolve(x, w, where, groups)


def conv2d_transpose(
    x: TensorLike,
    w: TensorLike,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    groups: int = 1,
    output_size: Pair | None = None,
) -> Tensor:
    """The adjoint of ``conv2d``: x (N, h, w, C_in) to (N, H, W, C_out).

    The weights are (kh, kw, C_out/groups, C_in).
    The same weights, read the other way round, as those of the convolution from (H, W, C_out) to
    (h, w, C_in). Several sizes (H, W) have a convolution of size (h, w) when the stride is above
    1; ``output_size`` picks one, by default Keras's (see ``ops.geometry.transposed_size``).
    """
    x, w = together("conv2d_transpose", (x, w))
    _check_rank("conv2d_transpose", x, w)
    if x.shape[3] != w.shape[3]:
        raise ValueError(
            f"conv2d_transpose: x of shape {x.shape} has {x.shape[3]} channels, but w of shape "
            f"{w.shape} (kh, kw, out, in) takes {w.shape[3]}"
        )
    if groups < 1 or x.shape[3] % groups:
        raise ValueError(
            f"conv2d_transpose: {x.shape[3]} input channels don't make {groups} group(s)"
        )
    size = transposed_size(output_size, x.shape[1:3], w.shape[:2], stride, padding, dilation)
    where = window(size, w.shape[:2], stride, padding, dilation)
    return _input_gradient(x, w, where, groups, size)


def conv1d(
    x: TensorLike,
    w: TensorLike,
    stride: int = 1,
    padding: Any = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of x (N, L, C_in) with w (k, C_in/groups, C_out), as ``conv2d`` on maps one high.

    Explicit ``padding`` is p or (before, after).
    """
    x, w = together("conv1d", (x, w))
    if x.ndim != 3 or w.ndim != 3:
        raise ValueError(
            f"conv1d: got x {x.shape} and w {w.shape}, wanted (N, L, C) and (k, C_in, C_out)"
        )
    _check_channels("conv1d", x.shape[2], w.shape[1], w.shape[2], groups)
    sides: Any = padding if isinstance(padding, str) else (0, padding)
    flat, kernel_2d = reshape(x, (x.shape[0], 1, *x.shape[1:])), reshape(w, (1, *w.shape))
    y = conv2d(flat, kernel_2d, (1, stride), sides, (1, dilation), groups)
    return reshape(y, (y.shape[0], *y.shape[2:]))


def _check_rank(name: str, x: Tensor, w: Tensor) -> None:
    if x.ndim != 4 or w.ndim != 4:
        raise ValueError(
            f"{name}: got x of shape {x.shape} and w of shape {w.shape}, wanted maps "
            "(N, H, W, C) and weights of rank 4"
        )


def _check_channels(name: str, c_in: int, per_group: int, c_out: int, groups: int) -> None:
    if groups < 1 or c_in != per_group * groups or c_out % groups:
        raise ValueError(
            f"{name}: {c_in} input channels in {groups} group(s) need weights of "
            f"{c_in / max(groups, 1):g} channels a group and a number of output channels that "
            f"{groups} divides; got {per_group} and {c_out}"
        )


__all__ = ["conv1d", "conv2d", "conv2d_transpose"]
