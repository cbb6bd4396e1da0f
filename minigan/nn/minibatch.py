"""Layers in which a sample sees others: its batch, or a batch of reference."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ..arguments import float_dtype, instance, whole
from ..backend import Array, array_module
from ..ops import (
    absolute,
    broadcast_to,
    concatenate,
    exp,
    matmul,
    mean,
    norm,
    reshape,
    sqrt,
    sum,
    var,
)
from ..tensor import Tensor, TensorLike
from .initializers import Initializer, Normal
from .module import Module, Parameter, as_array, each_tensor
from .normalization import _Norm


class MinibatchDiscrimination(Module):
    """Features (N, A) with how near the batch's others are, (N, A + kernels).

    With T (A, kernels, dims) and M = x·T, sample i gets for each kernel b (Salimans et al., 2016,
    section 3.2) o(xᵢ)_b = Σⱼ exp(−‖Mᵢ_b − Mⱼ_b‖₁), the sum over the batch, itself included.
    """

    mixes_batch = True

    T: Parameter

    def __init__(self, kernels: int, dims: int, dtype: str = "float32") -> None:
        self.kernels, self.dims = whole("kernels", kernels), whole("dims", dims)
        self.dtype = float_dtype("dtype", dtype)

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        inputs = input_shapes[0][-1]
        shape, fans = (inputs, self.kernels, self.dims), (inputs, self.kernels * self.dims)
        self.add_parameter("T", shape, "glorot_uniform", fans=fans, dtype=self.dtype)

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "features (N, A)", 2)
        self.check_channels(x, self.T.shape[0])
        m = matmul(x, reshape(self.T, (x.shape[1], self.kernels * self.dims)))
        m = reshape(m, (len(x), self.kernels, self.dims))
        apart = reshape(m, (len(x), 1, *m.shape[1:])) - reshape(m, (1, *m.shape))
        near = sum(exp(-sum(absolute(apart), -1)), 1)
        return concatenate([x, near], -1)


class MinibatchStdDev(Module):
    """One more channel: how much the batch varies (Karras et al., 2018, section 3).

    The standard deviation of every feature at every position over ``group`` samples that follow
    one another (all of the batch if None), then the mean of these: one number for each group. The
    batch must be a multiple of ``group``, or smaller, which makes it one group.
    """

    mixes_batch = True

    def __init__(self, group: int | None = 4) -> None:
        instead = ", or None for all the batch"
        self.group = None if group is None else whole("group", group, instead=instead)

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "(N, …, C)")
        size = max(1, min(self.group or len(x), len(x)))
        if len(x) % size:
            raise ValueError(
                f"{self.title}: a batch of {len(x)} makes no groups of {size}; group=None takes "
                "all of it as one"
            )
        groups = reshape(x, (len(x) // size, size, *x.shape[1:]))
        # A length rather than √variance: it has a gradient, 0, where all samples are the same.
        deviation = norm(groups - mean(groups, 1, keepdims=True), 1) / size**0.5
        found = mean(deviation, tuple(range(1, x.ndim)), keepdims=True)
        spread = broadcast_to(
            reshape(found, (-1, 1, *(1,) * (x.ndim - 1))), (*groups.shape[:-1], 1)
        )
        return concatenate([x, reshape(spread, (*x.shape[:-1], 1))], -1)


# Virtual batch normalisation

_reference: ContextVar[int | None] = ContextVar("minigan_reference", default=None)
"""How many samples, at the beginning of what a layer is given, are the reference batch."""


NOISE = Normal(1.0)


class VirtualBatch(Module):
    """``network``, in which each ``VirtualBatchNorm`` has a reference batch of ``size`` samples.

    The reference batch goes through the network before every batch, and what comes of it is left
    out of the result. It is of the network's inputs, drawn by ``init`` when parameters are made:
    for a generator it is noise like any other. It is kept with the parameters, not trained. To
    give one, as of images to a discriminator, write it: ``module.reference.assign(images)``.

    A network that takes labels needs the number of ``classes``: the reference batch has all of
    them by turns, 0, 1, …, classes − 1, 0, 1, …
    """

    per_sample = True

    reference: Parameter

    def __init__(
        self,
        network: Module,
        size: int = 64,
        init: str | Initializer = NOISE,
        classes: int | None = None,
    ) -> None:
        if classes is not None:
            classes = whole("classes", classes, instead=", or None without labels")
        self.network = instance("network", network, Module, "a Module")
        self.size = whole("size", size, 2)
        self.init, self.classes = init, classes

    @property
    def takes_condition(self) -> bool:  # type: ignore[override]
        """Whether the network does."""
        return self.network.takes_condition

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        dtype = self.trial_inputs(input_shapes)[0].dtype
        shape = (self.size, *input_shapes[0][1:])
        self.add_parameter("reference", shape, self.init, trainable=False, dtype=dtype)

    def forward(self, x: TensorLike, *condition: Any) -> Any:
        both = concatenate([self.reference, x])
        labels = map(self._labelled, condition)
        token = _reference.set(self.size)
        try:
            found = self.network(both, *labels)
        finally:
            _reference.reset(token)

        def cut(result: Tensor) -> Tensor:
            if len(result) != len(both):
                raise ValueError(
                    f"{self.title}: got {len(result)} results for {len(both)} samples, wanted one "
                    "for each: VirtualBatch goes into Packed, not around it"
                )
            return result[self.size :]

        return each_tensor(cut, found)

    def _labelled(self, labels: Any) -> Array:
        """The labels of the reference batch, and these."""
        if self.classes is None:
            raise ValueError(
                f"{self.title}: got labels, but the reference batch has none: pass "
                "VirtualBatch(network, classes=…), of as many classes as there are"
            )
        labels = as_array(labels)
        xp = array_module(labels)
        own = xp.arange(self.size, dtype=labels.dtype) % self.classes
        return xp.concatenate([own, labels])


class VirtualBatchNorm(_Norm):
    """γ·x̂ + β, each sample normalised by a reference batch and itself (Salimans et al., 2016).

    Mean and biased variance are those of the reference batch and the sample together, over all
    axes but the last; the reference's own samples are normalised by theirs. So no sample depends
    on its batch. The layer stands in a ``VirtualBatch``, which holds the reference.
    """

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        x = self.input(x, "(N, …, C)")
        self.check_channels(x, self.gamma.shape[0])
        size = _reference.get()
        if size is None:
            raise RuntimeError(
                f"{self.title} has no reference batch: put its network in nn.VirtualBatch(network)"
            )
        reference, samples = x[:size], x[size:]
        axes = tuple(range(x.ndim - 1))
        centre, spread = _moments(reference, axes)
        own_centre, own_spread = _moments(samples, axes[1:])
        share = 1 / (size + 1)  # of the sample, in the mean over it and the reference
        step = own_centre - centre
        both = spread + share * (own_spread - spread) + share * (1 - share) * step * step
        y = concatenate(
            [
                (reference - centre) / sqrt(spread + self.eps),
                (samples - (centre + share * step)) / sqrt(both + self.eps),
            ]
        )
        return y * self.gamma + self.beta


def _moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return mean(x, axes, keepdims=True), var(x, axes, keepdims=True)
