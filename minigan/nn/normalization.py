"""Normalising layers."""

from __future__ import annotations

from typing import Any

from ..arguments import float_dtype, number
from ..ops import batch_norm, instance_norm, layer_norm, mean, moments, normalize, sqrt
from ..ops.normalization import standardize
from ..tensor import Tensor, TensorLike
from .module import Module, Parameter


class _Norm(Module):
    """What the normalising layers share: ε, γ and β."""

    gamma: Parameter
    beta: Parameter

    def __init__(self, *, eps: float = 1e-3, dtype: str = "float32") -> None:
        self.eps = number("eps", eps, "(0, inf)")
        self.dtype = float_dtype("dtype", dtype)

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        channels = (input_shapes[0][-1],)
        self.add_parameter("gamma", channels, "ones", dtype=self.dtype)
        self.add_parameter("beta", channels, "zeros", dtype=self.dtype)


class BatchNorm(_Norm):
    """γ·x̂ + β, x normalised over all axes but the last (Ioffe and Szegedy, 2015).

    In training x̂ uses the batch's mean and biased variance, and the running ones move towards
    them: running ← decay·running + (1 − decay)·batch. In evaluation x̂ uses the running ones, so
    a sample's result does not depend on its batch. ``decay`` is what Keras calls momentum and one
    minus what PyTorch does; that name is refused. Without ``affine`` the result is x̂ itself.
    """

    mixes_batch = True

    running_mean: Parameter
    running_var: Parameter

    def __init__(
        self,
        *,
        decay: float = 0.99,
        eps: float = 1e-3,
        affine: bool = True,
        dtype: str = "float32",
        **other: Any,
    ) -> None:
        if "momentum" in other:
            raise TypeError(
                "BatchNorm takes decay, not momentum, which means opposite things: for Keras's "
                "momentum=m pass decay=m, for PyTorch's momentum=m pass decay=1 - m"
            )
        if other:
            taken = "decay, eps, affine and dtype"
            raise TypeError(f"BatchNorm does not take {', '.join(other)}: {taken}")
        super().__init__(eps=eps, dtype=dtype)
        self.decay, self.affine = number("decay", decay, "[0, 1)"), affine

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        if self.affine:
            super().create(*input_shapes)
        channels = (input_shapes[0][-1],)
        self.add_parameter("running_mean", channels, "zeros", trainable=False, dtype=self.dtype)
        self.add_parameter("running_var", channels, "ones", trainable=False, dtype=self.dtype)

    @property
    def folds(self) -> bool:
        """Whether ``folded`` can be used."""
        return self._created and self.in_training and self.affine

    def forward(self, x: TensorLike) -> Tensor:
        return self.folded(x, 1.0)

    def folded(self, x: TensorLike, slope: float) -> Tensor:
        """The leaky ReLU of that slope of the result, done in one with it."""
        x = self.input(x, "(N, …, C)")
        self.check_channels(x, self.running_mean.shape[0])
        if not self.in_training:
            scale = (self.gamma if self.affine else 1.0) / sqrt(self.running_var + self.eps)
            return standardize(x, self.running_mean, scale, self.beta if self.affine else 0.0)
        if x.size == 0:
            raise ValueError(f"{self.title}: an empty batch has no mean, got shape {x.shape}")
        axes = tuple(range(x.ndim - 1))
        statistics = moments(x, axes)
        for running, batch in zip((self.running_mean, self.running_var), statistics, strict=True):
            old = running._array
            running.assign(old * self.decay + batch.reshape(-1) * (1 - self.decay))
        if not self.affine:
            return normalize(x, axes, self.eps, statistics)
        return batch_norm(x, self.gamma, self.beta, self.eps, statistics, slope)


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


class PixelNorm(Module):
    """x/√(mean x² + ε), the mean over the channels of each position.

    (Karras et al., 2018, section 4.2.) That of float16, whose squares overflow, is taken in
    float32.
    """

    per_sample = True

    def __init__(self, eps: float = 1e-8) -> None:
        self.eps = number("eps", eps, "(0, inf)")

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "(N, …, C)")
        wide = x.astype("float32") if x.dtype == "float16" else x
        y = wide / sqrt(mean(wide * wide, -1, keepdims=True) + self.eps)
        return y.astype(x.dtype) if wide is not x else y
