"""Layers that take labels: called with (x, labels), labels (N,) of ints from 0 to classes − 1.

``Sequential`` and ``Residual`` hand the labels to those inside, as each says that it
``takes_condition``; so does a layer of one's own that says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import float_dtype, whole
from ..backend import array_module
from ..ops import broadcast_to, concatenate, embedding, reshape, sum
from ..tensor import Tensor, TensorLike
from .dense import Dense, Embedding
from .lipschitz import SpectralNorm
from .module import Module
from .normalization import BatchNorm


class _Labelled(Module):
    """What layers that take labels share."""

    takes_condition = True

    def __init__(self, classes: int) -> None:
        self.classes = whole("classes", classes)

    def rows(self, table: Any, labels: Any, x: Tensor) -> Tensor:
        """What ``table`` (a function of ids) has for each label, with as many axes as x."""
        if np.shape(labels) != x.shape[:1]:
            raise ValueError(
                f"{self.title}: got labels of shape {np.shape(labels)}, wanted {x.shape[:1]}, one "
                "for each sample"
            )
        found = table(labels)
        return reshape(found, (len(x), *(1,) * (x.ndim - 2), found.shape[-1]))


class ConditionalBatchNorm(_Labelled):
    """γ_y·x̂ + β_y: ``BatchNorm`` whose γ and β are those of the sample's label y.

    (De Vries et al., 2017; per class as in Miyato and Koyama, 2018.) x̂ and its running statistics
    are ``BatchNorm``'s, with ``decay`` and ``eps``; γ starts from 1 and β from 0.
    """

    def __init__(
        self, classes: int, *, decay: float = 0.99, eps: float = 1e-3, dtype: str = "float32"
    ) -> None:
        super().__init__(classes)
        self.dtype = float_dtype("dtype", dtype)
        self.norm = BatchNorm(decay=decay, eps=eps, affine=False, dtype=dtype)

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        channels = input_shapes[0][-1]
        self.gamma = Embedding(self.classes, channels, "ones", self.dtype)
        self.beta = Embedding(self.classes, channels, "zeros", self.dtype)

    def forward(self, x: TensorLike, labels: Any) -> Tensor:
        x = self.norm(x)
        return x * self.rows(self.gamma, labels, x) + self.rows(self.beta, labels, x)


class LabelConcat(_Labelled):
    """x with its label as more channels (Mirza and Osindero, 2014).

    The label is one-hot or, with ``embedding``, a trained vector of that many numbers. Vectors
    (N, D) become (N, D + channels); maps (N, H, W, C) get it at each position. A network that is
    to be conditioned so is Sequential(LabelConcat(classes), …).
    """

    def __init__(self, classes: int, embedding: int | None = None, dtype: str = "float32") -> None:
        super().__init__(classes)
        dtype, self.embedding = float_dtype("dtype", dtype), None
        if embedding is not None:  # without, it takes any dtype
            width, self.dtype = whole("embedding", embedding), dtype
            self.embedding = Embedding(classes, width, dtype=dtype)

    def forward(self, x: TensorLike, labels: Any) -> Tensor:
        x = self.input(x, "(N, …, C)")
        channels = self.rows(self.embedding or self._one_hot(x), labels, x)
        return concatenate([x, broadcast_to(channels, (*x.shape[:-1], channels.shape[-1]))], -1)

    def _one_hot(self, x: Tensor) -> Any:
        table = array_module(x._array).eye(self.classes, dtype=x.dtype)
        return lambda labels: embedding(table, labels)


class Projection(_Labelled):
    """Logits (N, 1) of features φ (N, D): ψ(φ) + e_y·φ (Miyato and Koyama, 2018, eq. 3).

    ψ is a Dense(1) and e_y a trained vector for the label y: the head of a discriminator that is
    Sequential(…, Projection(classes)). With ``spectral`` both are in ``SpectralNorm``.
    """

    psi: Module
    embedding: Module

    def __init__(self, classes: int, spectral: bool = False, dtype: str = "float32") -> None:
        super().__init__(classes)
        self.spectral, self.dtype = spectral, float_dtype("dtype", dtype)

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        psi = Dense(1, dtype=self.dtype)
        rows = Embedding(self.classes, input_shapes[0][-1], dtype=self.dtype)
        self.psi = SpectralNorm(psi) if self.spectral else psi
        self.embedding = SpectralNorm(rows) if self.spectral else rows

    def forward(self, x: TensorLike, labels: Any) -> Tensor:
        x = self.input(x, "features (N, D)", 2)
        rows = self.rows(self.embedding, labels, x)
        return self.psi(x) + sum(rows * x, -1, keepdims=True)
