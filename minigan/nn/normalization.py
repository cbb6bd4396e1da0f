"""Normalising layers."""

from __future__ import annotations

from typing import Any

from ..ops import batch_norm, instance_norm, layer_norm, moments, sqrt
from ..ops.normalization import standardize
from ..tensor import Tensor, TensorLike
from .module import Module, Parameter


class _Norm(Module):
    """What the normalising layers share: ε, γ and β."""

    gamma: Parameter
    beta: Parameter

    def __init__(self, *, eps: float = 1e-3, dtype: str = "float32") -> None:
        if eps <= 0:
            raise ValueError(f"eps: got {eps}, wanted a positive number")
        self.eps, self.dtype = eps, dtype

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        channels = (input_shapes[0][-1],)
        self.add_parameter("gamma", channels, "ones", dtype=self.dtype)
        self.add_parameter("beta", channels, "zeros", dtype=self.dtype)


class BatchNorm(_Norm):
    """γ·x̂ + β, x normalised over all axes but the last (Ioffe and Szegedy, 2015).

    In training x̂ uses the batch's mean and biased variance, and the running ones move towards
    them: running ← decay·running + (1 − decay)·batch. In evaluation x̂ uses the running ones, so
    a sample's result does not depend on its batch. ``decay`` is what Keras calls momentum and one
    minus what PyTorch does; that name is refused.
    """

    running_mean: Parameter
    running_var: Parameter

    def __init__(
        self, *, decay: float = 0.99, eps: float = 1e-3, dtype: str = "float32", **other: Any
    ) -> None:
        if "momentum" in other:
            raise TypeError(
                "BatchNorm takes decay, not momentum, which means opposite things: for Keras's "
                "momentum=m pass decay=m, for PyTorch's momentum=m pass decay=1 - m"
            )
        if other:
            raise TypeError(f"BatchNorm does not take {', '.join(other)}: decay, eps and dtype")
        if not 0 <= decay < 1 or eps <= 0:
            raise ValueError(f"decay must be in [0, 1) and eps positive, got {decay} and {eps}")
        self.decay, self.eps, self.dtype = decay, eps, dtype

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        super().create(*input_shapes)
        channels = (input_shapes[0][-1],)
        self.add_parameter("running_mean", channels, "zeros", trainable=False, dtype=self.dtype)
        self.add_parameter("running_var", channels, "ones", trainable=False, dtype=self.dtype)

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "(N, …, C)")
        self.check_channels(x, self.gamma.shape[0])
        if not self.in_training:
            scale = self.gamma / sqrt(self.running_var + self.eps)
            return standardize(x, self.running_mean, scale, self.beta)
        if x.size == 0:
            raise ValueError(f"{self.title}: an empty batch has no mean, got shape {x.shape}")
        statistics = moments(x, tuple(range(x.ndim - 1)))
        for running, batch in zip((self.running_mean, self.running_var), statistics, strict=True):
            old = running._array
            running.assign(old * self.decay + batch.reshape(-1) * (1 - self.decay))
        return batch_norm(x, self.gamma, self.beta, self.eps, statistics)


class LayerNorm(_Norm):
    """γ·x̂ + β, each sample and position normalised over its channels.

    (Ba, Kiros and Hinton, 2016.)
    """

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "(N, …, C)")
        self.check_channels(x, self.gamma.shape[0])
        return layer_norm(x, self.gamma, self.beta, self.eps)


class InstanceNorm(_Norm):
    """γ·x̂ + β, each channel of each sample normalised over its positions (Ulyanov et al., 2016)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "(N, positions…, C)")
        self.check_channels(x, self.gamma.shape[0])
        return instance_norm(x, self.gamma, self.beta, self.eps)
