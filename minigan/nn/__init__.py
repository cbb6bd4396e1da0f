"""Layers: modules with parameters, to be put together."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .activation import ELU, GELU, Dropout, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from .context import training, watch
from .convolution import Conv1D, Conv2D, Conv2DTranspose
from .dense import Dense, Embedding
from .files import load, read_notes, save
from .initializers import Constant, Normal, Orthogonal, Scaled, Uniform
from .module import Module, Parameter
from .normalization import BatchNorm, InstanceNorm, LayerNorm, PixelNorm
from .sequential import Sequential
from .shape import (
    AveragePooling2D,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    GlobalSumPooling2D,
    MaxPooling2D,
    PixelShuffle,
    Reshape,
    UpSampling2D,
)

if TYPE_CHECKING:
    from .attention import SelfAttention
    from .blocks import Maxout, Residual
    from .conditional import ConditionalBatchNorm, LabelConcat, Projection
    from .lipschitz import GradientNormalized, SpectralNorm
    from .minibatch import (
        MinibatchDiscrimination,
        MinibatchStdDev,
        VirtualBatch,
        VirtualBatchNorm,
    )

    LAYERS: dict[str, type[Module]]
    """Every layer by its class's name: what a saved architecture may contain."""

_LATER = {
    "ConditionalBatchNorm": "conditional",
    "GradientNormalized": "lipschitz",
    "LabelConcat": "conditional",
    "Maxout": "blocks",
    "MinibatchDiscrimination": "minibatch",
    "MinibatchStdDev": "minibatch",
    "Projection": "conditional",
    "Residual": "blocks",
    "SelfAttention": "attention",
    "SpectralNorm": "lipschitz",
    "VirtualBatch": "minibatch",
    "VirtualBatchNorm": "minibatch",
}
"""The layers that are imported when they are first asked for, and their files."""

__all__ = [
    "AveragePooling2D",
    "BatchNorm",
    "ConditionalBatchNorm",
    "Constant",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GELU",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "GlobalSumPooling2D",
    "GradientNormalized",
    "InstanceNorm",
    "LabelConcat",
    "LayerNorm",
    "LAYERS",
    "LeakyReLU",
    "load",
    "Maxout",
    "MaxPooling2D",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "Module",
    "Normal",
    "Orthogonal",
    "Parameter",
    "PixelNorm",
    "PixelShuffle",
    "Projection",
    "read_notes",
    "ReLU",
    "Reshape",
    "Residual",
    "save",
    "Scaled",
    "SelfAttention",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SpectralNorm",
    "Tanh",
    "training",
    "Uniform",
    "UpSampling2D",
    "VirtualBatch",
    "VirtualBatchNorm",
    "watch",
]


def __getattr__(name: str) -> Any:
    # Reached only for what isn't there yet (PEP 562).
    if name == "LAYERS":
        found: Any = _layers()
    elif name in _LATER:
        found = getattr(import_module(f".{_LATER[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _layers() -> dict[str, type[Module]]:
    public = [getattr(import_module(__name__), name) for name in __all__ if name != "LAYERS"]
    kinds = [one for one in public if isinstance(one, type) and issubclass(one, Module)]
    return {kind.__name__: kind for kind in kinds if kind is not Module}
