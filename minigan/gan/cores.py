"""Whose threads multiply: ours alone in large networks with convolutions (``kernels.blas``)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from ..kernels import blas
from ..tensor import Tensor

LARGE = 1 << 25
"""Multiplications of a pass from which on convolutions keep our threads at work."""

MOST = 1 << 22
"""Weights of a convolution that our threads do in less time than BLAS's: with more of them it is a
few huge products."""


def multiplications(parameters: Sequence[Tensor], images: int) -> int:
    """What a pass of so many images takes at least: each one meets every parameter."""
    return images * sum(parameter.size for parameter in parameters)


def own_threads(parameters: Sequence[Tensor], images: int) -> AbstractContextManager[None]:
    """Within it no product is shared by BLAS's threads if these are a large network's weights.

    That depends on the network and on the number of images alone, and so do the bits.
    """
    taps = [parameter.size for parameter in parameters if parameter.ndim == 4]
    ours = bool(taps) and max(taps) <= MOST
    return blas.unshared_if(ours and multiplications(parameters, images) >= LARGE)
