"""Attention between the positions of a map."""

from __future__ import annotations

from ..arguments import float_dtype
from ..ops import matmul, max_pool2d, reshape, softmax
from ..ops.shape import swap_last
from ..tensor import Tensor, TensorLike
from .dense import Dense
from .lipschitz import SpectralNorm
from .module import Module, Parameter


class SelfAttention(Module):
    """x + γ·o for maps (N, H, W, C), o a mean over positions (Zhang et al., 2019, eqs. 1 to 3):

        sᵢⱼ = f(xᵢ)·g(xⱼ)      βⱼ = softmax over i of sᵢⱼ      oⱼ = v(Σᵢ βⱼᵢ·h(xᵢ))

    with 1×1 convolutions f, g to C/8 channels, h to C/2 and v back to C, without biases, and γ
    trained from 0. With ``pool`` each 2×2 positions offer the largest of their f and of their h,
    which makes the maps of attention four times smaller. With ``spectral`` the convolutions are
    in ``SpectralNorm``.
    """

    per_sample = True

    f: Module
    g: Module
    h: Module
    v: Module
    gamma: Parameter

    def __init__(self, pool: bool = True, spectral: bool = False, dtype: str = "float32") -> None:
        self.pool, self.spectral = pool, spectral
        self.dtype = float_dtype("dtype", dtype)

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        channels = input_shapes[0][-1]
        for name, share in {"f": 8, "g": 8, "h": 2, "v": 1}.items():
            layer = Dense(max(1, channels // share), use_bias=False, dtype=self.dtype)
            setattr(self, name, SpectralNorm(layer) if self.spectral else layer)
        self.add_parameter("gamma", (1,), dtype=self.dtype)

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "maps (N, H, W, C)", 4)
        if self.pool and min(x.shape[1:3]) < 2:
            raise ValueError(f"{self.title}: maps of {x.shape[1:3]} can't be pooled: pool=False")
        keys, queries, values = self.f(x), self.g(x), self.h(x)
        if self.pool:
            keys, values = max_pool2d(keys), max_pool2d(values)
        scores = matmul(_positions(queries), swap_last(_positions(keys)))
        found = self.v(matmul(softmax(scores), _positions(values)))
        return x + self.gamma * reshape(found, x.shape)


def _positions(x: Tensor) -> Tensor:
    """(N, H, W, C) as (N, H·W, C)."""
    return reshape(x, (x.shape[0], x.shape[1] * x.shape[2], x.shape[3]))
