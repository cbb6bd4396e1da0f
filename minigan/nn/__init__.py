"""Layers: modules with parameters, to be put together."""

from .activation import ELU, GELU, Dropout, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from .context import training, watch
from .convolution import Conv1D, Conv2D, Conv2DTranspose
from .dense import Dense, Embedding
from .files import load, read_notes, save
from .initializers import Constant, Normal, Orthogonal, Scaled, Uniform
from .module import Module, Parameter
from .normalization import BatchNorm, InstanceNorm, LayerNorm
from .sequential import Sequential
from .shape import (
    AveragePooling2D,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
    PixelShuffle,
    Reshape,
    UpSampling2D,
)

LAYERS = {
    layer.__name__: layer
    for layer in (
        AveragePooling2D,
        BatchNorm,
        Conv1D,
        Conv2D,
        Conv2DTranspose,
        Dense,
        Dropout,
        ELU,
        Embedding,
        Flatten,
        GELU,
        GlobalAveragePooling2D,
        GlobalMaxPooling2D,
        InstanceNorm,
        LayerNorm,
        LeakyReLU,
        MaxPooling2D,
        PixelShuffle,
        ReLU,
        Reshape,
        Sequential,
        Sigmoid,
        Softmax,
        Softplus,
        Tanh,
        UpSampling2D,
    )
}
"""Every layer by its class's name: what a saved architecture may contain."""

__all__ = [
    "AveragePooling2D",
    "BatchNorm",
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
    "InstanceNorm",
    "LayerNorm",
    "LAYERS",
    "LeakyReLU",
    "load",
    "MaxPooling2D",
    "Module",
    "Normal",
    "Orthogonal",
    "Parameter",
    "PixelShuffle",
    "read_notes",
    "ReLU",
    "Reshape",
    "save",
    "Scaled",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "training",
    "Uniform",
    "UpSampling2D",
    "watch",
]
