"""Layers made of layers: a sum of two ways, a maximum of several."""

from __future__ import annotations

from types import NoneType
from typing import Any

from ..arguments import instance, whole
from ..ops import max as max_over
from ..ops import reshape
from ..tensor import Tensor, TensorLike
from .dense import Dense
from .initializers import Initializer
from .module import Module
from .sequential import conditioned


class Residual(Module):
    """branch(x) + shortcut(x), the shortcut by default x itself (He et al., 2016, eqs. 1 and 2).

    Both must give the same shape: a block that enlarges maps does so in both, as in SN-GAN's
    generator (Miyato et al., 2018, appendix B):

        Residual(
            Sequential(BatchNorm(), ReLU(), UpSampling2D(), Conv2D(64, 3, padding="same"),
                       BatchNorm(), ReLU(), Conv2D(64, 3, padding="same")),
            Sequential(UpSampling2D(), Conv2D(64, 1)),
        )

    Called with (x, labels), it gives the labels to whichever of the two ``takes_condition``.
    """

    per_sample = True

    def __init__(self, branch: Module, shortcut: Module | None = None) -> None:
        instance("branch", branch, Module, "a Module")
        instance("shortcut", shortcut, (Module, NoneType), "a Module or None")
        self.branch, self.shortcut = branch, shortcut

    @property
    def takes_condition(self) -> bool:  # type: ignore[override]
        """Whether the branch or the shortcut does."""
        return any(m.takes_condition for m in (self.branch, self.shortcut) if m is not None)

    def forward(self, x: TensorLike, *condition: Any) -> Tensor:
        y = conditioned(self.branch, x, condition)
        if self.shortcut is not None:
            x = conditioned(self.shortcut, x, condition)
        if y.shape != x.shape:
            raise ValueError(
                f"{self.title}: the branch gives {y.shape} and the shortcut {x.shape}, wanted the "
                "same shape: let the shortcut change it as the branch does"
            )
        return y + x


class Maxout(Module):
    """The largest of ``pieces`` affine functions, (…, inputs) to (…, units).

    hᵢ = maxⱼ (x·Wᵢⱼ + bᵢⱼ) (Goodfellow et al., 2013, section 3).
    """

    per_sample = True

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        use_bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        dtype: str = "float32",
    ) -> None:
        self.units, self.pieces = whole("units", units), whole("pieces", pieces)
        self.dense = Dense(self.units * self.pieces, use_bias, init, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        y = self.dense(x)
        return max_over(reshape(y, (*y.shape[:-1], self.units, self.pieces)), -1)
