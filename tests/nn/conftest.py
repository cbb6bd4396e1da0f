"""One case or more for every layer, with settings that are not the defaults, and its checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from minigan import nn, random
from minigan.tensor import Tensor
from minigan.testing import check_gradients
from minigan.testing.values import values

IDS = np.array([[0, 2, 2], [3, 2, 0]])  # ids that repeat, and one (1) that is never used


@dataclass(frozen=True)
class Case:
    """A layer and the input it is checked on."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    kind: str = "any"
    mixes: bool = False  # whether a sample's result depends on its batch in evaluation too
    modes: tuple[bool, ...] = (True, False)  # those in which its gradient is the function's own

    def built(self, dtype: str = "float64") -> nn.Module:
        """The layer with random parameters, so that no γ = 1 or bias of 0 hides a term."""
        layer = self.make()
        labels = [(None,)] if layer.takes_condition else []
        layer.build((None, *self.shape[1:]), *labels, seed=3).to(dtype)
        for i, (name, parameter) in enumerate(layer.named_state().items()):
            kind = "positive" if name.endswith("running_var") else "any"
            parameter.assign(values(100 + i, parameter.shape, kind))
        return layer

    def input(self, dtype: str = "float64") -> np.ndarray:
        return IDS if self.kind == "ids" else values(7, self.shape, self.kind).astype(dtype)

    @staticmethod
    def call(layer: nn.Module, x: Any) -> Any:
        """The layer's result for x, with a label for each sample that x says, if it takes one."""
        if not layer.takes_condition:
            return layer(x)
        array = x.detach().numpy() if isinstance(x, Tensor) else x
        return layer(x, (array[(slice(None), *(0,) * (x.ndim - 1))] > 0).astype(int))


def _shared() -> nn.Module:
    layer = nn.Dense(2)
    return nn.Sequential(layer, nn.Tanh(), layer)


def _normalized() -> nn.Module:
    return nn.GradientNormalized(nn.Sequential(nn.Dense(2), nn.Softplus(), nn.Dense(1)))


def _block() -> nn.Module:
    first = nn.Sequential(nn.ConditionalBatchNorm(2, eps=0.1), nn.UpSampling2D(), nn.Conv2D(1, 1))
    return nn.Residual(first, nn.Sequential(nn.UpSampling2D(), nn.Conv2D(1, 1, use_bias=False)))


_SMALL = (2, 3)
CASES = [
    Case("AveragePooling2D", lambda: nn.AveragePooling2D((2, 3), 1, "same"), (1, 3, 4, 2)),
    Case("BatchNorm", lambda: nn.BatchNorm(decay=0.7, eps=0.1), (3, 2, 2)),
    Case("BatchNorm-maps", lambda: nn.BatchNorm(eps=0.01), (2, 2, 2, 1)),
    Case("Conv1D", lambda: nn.Conv1D(4, 2, 2, (1, 2), groups=2), (2, 3, 2)),
    Case("Conv1D-dilated", lambda: nn.Conv1D(2, 2, 1, "same", 2, use_bias=False), (1, 4, 2)),
    Case("Conv2D", lambda: nn.Conv2D(3, (2, 3), (1, 2), ((1, 0), (0, 1))), (1, 3, 4, 2)),
    Case("Conv2D-grouped", lambda: nn.Conv2D(4, 2, 2, "same", 2, groups=2), (1, 3, 3, 2)),
    Case("Conv2D-3x3", lambda: nn.Conv2D(2, 3, init="orthogonal", padding="same"), (1, 4, 4, 1)),
    Case(
        "Conv2DTranspose",
        lambda: nn.Conv2DTranspose(2, (3, 2), 2, "same", (3, 4), init=nn.Normal(0.5)),
        (1, 2, 2, 2),
    ),
    Case(
        "Conv2DTranspose-grouped",
        lambda: nn.Conv2DTranspose(2, 2, (1, 2), dilation=(2, 1), groups=2, use_bias=False),
        (1, 2, 2, 4),
    ),
    Case("Dense", lambda: nn.Dense(3, init=nn.Scaled(2.0, "out", True)), (2, 2, 3)),
    Case("Dense-unbiased", lambda: nn.Dense(2, False, init="he_normal"), _SMALL),
    Case("Dropout", lambda: nn.Dropout(0.4), (3, 4)),
    Case("ELU", lambda: nn.ELU(0.7), _SMALL, "off_zero"),
    Case("Embedding", lambda: nn.Embedding(4, 2, init=nn.Uniform(-1, 1)), IDS.shape, "ids"),
    Case("Flatten", lambda: nn.Flatten(), (2, 2, 2, 1)),
    Case("GELU", lambda: nn.GELU(), _SMALL),
    Case("GlobalAveragePooling2D", lambda: nn.GlobalAveragePooling2D(), (2, 2, 3, 2)),
    Case("GlobalSumPooling2D", lambda: nn.GlobalSumPooling2D(), (2, 2, 3, 2)),
    Case("GlobalMaxPooling2D", lambda: nn.GlobalMaxPooling2D(), (2, 2, 3, 2), "distinct"),
    Case("InstanceNorm", lambda: nn.InstanceNorm(eps=0.1), (2, 2, 2, 2)),
    Case("LayerNorm", lambda: nn.LayerNorm(eps=0.1), (2, 2, 3)),
    Case(
        "ConditionalBatchNorm",
        lambda: nn.ConditionalBatchNorm(2, decay=0.7, eps=0.1),
        (3, 2, 2),
        "off_zero",
    ),
    Case("GradientNormalized", _normalized, (3, 2)),
    Case("LabelConcat", lambda: nn.LabelConcat(3), (2, 2, 1, 2), "off_zero"),
    Case("LabelConcat-embedded", lambda: nn.LabelConcat(2, embedding=3), (3, 2), "off_zero"),
    Case("LeakyReLU", lambda: nn.LeakyReLU(0.1), _SMALL, "off_zero"),
    Case("Maxout", lambda: nn.Maxout(2, 3, init="he_normal"), (2, 2, 3)),
    Case("MaxPooling2D", lambda: nn.MaxPooling2D(2, 1, "same"), (1, 3, 3, 2), "distinct"),
    Case("MinibatchDiscrimination", lambda: nn.MinibatchDiscrimination(2, 3), (3, 2), mixes=True),
    Case("MinibatchStdDev", lambda: nn.MinibatchStdDev(None), (3, 2, 2, 2), mixes=True),
    Case("PixelNorm", lambda: nn.PixelNorm(0.1), (2, 2, 3)),
    Case("PixelShuffle", lambda: nn.PixelShuffle(3), (1, 2, 1, 9)),
    Case("ReLU", lambda: nn.ReLU(), _SMALL, "off_zero"),
    Case("Projection", lambda: nn.Projection(2), (3, 2), "off_zero"),
    Case(
        "Projection-spectral",
        lambda: nn.Projection(2, spectral=True),
        (3, 2),
        "off_zero",
        modes=(False,),
    ),
    Case("Reshape", lambda: nn.Reshape(3, -1), (2, 6)),
    Case("Residual", lambda: nn.Residual(nn.Sequential(nn.Tanh(), nn.Dense(3))), _SMALL),
    Case("Residual-conditional", _block, (2, 2, 1, 2), "off_zero"),
    Case("SelfAttention", lambda: nn.SelfAttention(pool=False), (2, 2, 2, 3)),
    Case("SelfAttention-pooled", nn.SelfAttention, (1, 4, 2, 2)),
    Case(
        "SelfAttention-spectral",
        lambda: nn.SelfAttention(spectral=True),
        (1, 2, 3, 2),
        modes=(False,),
    ),
    Case("Sequential", lambda: nn.Sequential(nn.Dense(2), nn.Tanh(), nn.BatchNorm()), (3, 2)),
    Case("Sequential-shared", _shared, (2, 2)),
    Case("Sigmoid", lambda: nn.Sigmoid(), _SMALL),
    Case("Softmax", lambda: nn.Softmax(axis=1), (2, 3, 2)),
    Case("Softplus", lambda: nn.Softplus(), _SMALL),
    Case("SpectralNorm", lambda: nn.SpectralNorm(nn.Dense(3), 2), _SMALL, modes=(False,)),
    Case(
        "SpectralNorm-convolution",
        lambda: nn.SpectralNorm(nn.Conv2D(2, 2, use_bias=False)),
        (2, 3, 2, 2),
        modes=(False,),
    ),
    Case(
        "SpectralNorm-embedding",
        lambda: nn.SpectralNorm(nn.Embedding(4, 2)),
        IDS.shape,
        "ids",
        modes=(False,),
    ),
    Case(
        "SpectralNorm-transposed",
        lambda: nn.SpectralNorm(nn.Conv2DTranspose(3, 2, 2)),
        (2, 2, 1, 2),
        modes=(False,),
    ),
    Case("Tanh", lambda: nn.Tanh(), _SMALL),
    Case("UpSampling2D", lambda: nn.UpSampling2D((2, 3), "bilinear"), (1, 2, 2, 2)),
    Case("UpSampling2D-nearest", lambda: nn.UpSampling2D(3), (1, 2, 1, 2)),
    Case("VirtualBatch", lambda: nn.VirtualBatch(nn.Dense(2), 2), _SMALL),
    Case("VirtualBatchNorm", lambda: nn.VirtualBatch(nn.VirtualBatchNorm(eps=0.1), 3), (2, 2, 3)),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: Any) -> Case:
    """Every case in turn."""
    return request.param


@pytest.fixture
def case_names() -> set[str]:
    """The layers that have a case."""
    return {case.name.partition("-")[0] for case in CASES}


@pytest.fixture
def check_layer() -> Callable[..., None]:
    return _check_layer


def _check_layer(layer: nn.Module, x: np.ndarray, training: bool, order: int = 2) -> None:
    """The gradients with respect to the input and to every trained parameter."""
    parameters = layer.named_parameters()
    owners = dict(layer.named_modules())

    def function(*inputs: Tensor) -> Tensor:
        given = inputs[len(inputs) - len(parameters) :]
        for name, tensor in zip(parameters, given, strict=True):
            owner, _, attribute = name.rpartition(".")
            setattr(owners[owner], attribute, tensor)
        with nn.training(training), random.use(11):
            return Case.call(layer, x if x.dtype.kind == "i" else inputs[0])

    inputs = [] if x.dtype.kind == "i" else [x]
    check_gradients(function, [*inputs, *(p.numpy() for p in parameters.values())], order=order)
