"""Dropout: the one primitive that draws."""

from __future__ import annotations

from .. import random
from ..backend import Array, array_module
from ..buffers import empty_like
from ..kernels.blocks import each_block
from ..primitives import vjp
from ..tensor import Tensor, TensorLike, as_tensor


def dropout(x: TensorLike, rate: float, stream: random.Stream | None = None) -> Tensor:
    """Each element zero with probability ``rate``, else x/(1 − rate) (Srivastava et al., 2014).

    The mask is drawn from ``stream``, or from the one in force (``minigan.random.use``).
    """
    x = as_tensor(x)
    if not 0 <= rate < 1:
        raise ValueError(f"rate: got {rate}, wanted a number in [0, 1)")
    if rate == 0:
        return x
    keep = (stream or random.current()).keep_mask(x.shape, rate, x.device)
    return _masked(x, keep, 1 / (1 - rate))


@vjp(lambda g, keep, scale: _masked(g, keep, scale), plain=True)
def _masked(x: Array, /, keep: Array, scale: float) -> Array:
    """scale·x where ``keep``, else 0: linear, and its own adjoint."""
    xp, result = array_module(x), empty_like(x)

    def mask(out: Array, part: Array, kept: Array) -> None:
        xp.multiply(part, x.dtype.type(scale), out=out)
        out *= kept

    each_block(mask, result, x, keep)
    return result


__all__ = ["dropout"]
