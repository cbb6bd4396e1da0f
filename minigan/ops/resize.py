"""Making maps (N, H, W, C) larger, built of reshapes, repeats and products."""

from __future__ import annotations

import numpy as np

from ..backend import array_module
from ..primitives import broadcast_to
from ..tensor import Tensor, TensorLike
from .geometry import IntOrPair, pair
from .linear import matmul
from .shape import maps, reshape, transpose


def upsample_nearest(x: TensorLike, factor: IntOrPair = 2) -> Tensor:
    """Each element repeated ``factor`` times down and across; its gradient is the sum over them."""
    x, (fh, fw) = maps("upsample_nearest", x), pair("factor", factor)
    n, h, w, c = x.shape
    repeated = broadcast_to(reshape(x, (n, h, 1, w, 1, c)), (n, h, fh, w, fw, c))
    return reshape(repeated, (n, h * fh, w * fw, c))


def upsample_bilinear(x: TensorLike, factor: IntOrPair = 2) -> Tensor:
    """Bilinear interpolation between the centres of the pixels, clamped at the edges.

    Output pixel p lies at (p + ½)/factor − ½ of the input (Keras's and PyTorch's convention
    without aligned corners). The map is linear and acts on each axis alone: y = A_h·x·A_wᵀ.
    """
    x, (fh, fw) = maps("upsample_bilinear", x), pair("factor", factor)
    n, h, w, c = x.shape
    xp = array_module(x._array)
    down, across = (xp.asarray(_interpolation(m, f), dtype=x.dtype) for m, f in ((h, fh), (w, fw)))
    tall = matmul(down, reshape(x, (n, h, w * c)))
    wide = matmul(across, reshape(tall, (n * h * fh, w, c)))
    return reshape(wide, (n, h * fh, w * fw, c))


def _interpolation(size: int, factor: int) -> np.ndarray:
    """The matrix (size·factor, size) whose rows hold the two weights of each output pixel."""
    at = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, max(size - 1, 0))
    low = np.minimum(at.astype(int), max(size - 2, 0))
    matrix = np.zeros((size * factor, size))
    rows = np.arange(size * factor)
    matrix[rows, low] = 1 - (at - low)
    matrix[rows, np.minimum(low + 1, size - 1)] += at - low
    return matrix


def pixel_shuffle(x: TensorLike, factor: int = 2) -> Tensor:
    """(N, H, W, r²·C) to (N, r·H, r·W, C): each pixel's channels become an r × r block.

    Channel (i·r + j)·C + c goes to row i, column j of the block (Shi et al., 2016, eq. 4, in the
    order of TensorFlow's ``depth_to_space``).
    """
    x = maps("pixel_shuffle", x)
    n, h, w, c = x.shape
    if factor < 1 or c % (factor * factor):
        raise ValueError(
            f"pixel_shuffle: {c} channels don't make blocks of {factor} × {factor}: "
            f"the channels must be a multiple of {factor * factor}"
        )
    blocks = reshape(x, (n, h, w, factor, factor, c // (factor * factor)))
    rows = transpose(blocks, (0, 1, 3, 2, 4, 5))
    return reshape(rows, (n, h * factor, w * factor, c // (factor * factor)))


__all__ = ["pixel_shuffle", "upsample_bilinear", "upsample_nearest"]
