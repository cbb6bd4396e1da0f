"""Entries of layers: checked in their inputs and in their parameters alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ... import nn
from .draws import Rng, chance, map_shape, number, pick, shape, values, whole
from .elementwise import some_kept
from .entries import ENTRIES, Case, register
from .functional import functional
from .maps import spread


def layer_case(
    rng: Rng, module: nn.Module, x: np.ndarray, settings: dict[str, Any], mode: bool = True
) -> Case:
    """``module``, with new parameters, at x."""
    module.build(x.shape, seed=0)
    own = [values(rng, p.shape, "off_zero") for p in module.parameters()]
    return Case(functional(module, mode=mode), [x, *own], settings)


def _made(name: str, *arguments: Any, **settings: Any) -> nn.Module:
    kind: Any = nn.LAYERS[name]
    return cast(nn.Module, kind(*arguments, **settings))


# Layers that are one function of ``ops`` each: the same cases, through the layer


def _twin(name: str, function: str) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        case = ENTRIES[function].make(rng)
        return case._replace(function=functional(_made(name, **case.settings)))


for _name, _function in {
    "AveragePooling2D": "avg_pool2d",
    "ELU": "elu",
    "Flatten": "flatten",
    "GELU": "gelu",
    "GlobalAveragePooling2D": "global_avg_pool2d",
    "GlobalMaxPooling2D": "global_max_pool2d",
    "GlobalSumPooling2D": "global_sum_pool2d",
    "LeakyReLU": "leaky_relu",
    "MaxPooling2D": "max_pool2d",
    "PixelShuffle": "pixel_shuffle",
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Tanh": "tanh",
}.items():
    _twin(_name, _function)


def _norm(name: str, function: str) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        x, gamma, beta = (case := _two_dims(rng, function)).inputs
        settings = {"eps": case.settings["eps"]}
        layer = _made(name, **settings, dtype="float64").build(x.shape, seed=0)
        return Case(functional(layer), [x, gamma, beta], settings)


def _two_dims(rng: Rng, function: str) -> Case:
    """A case of the function whose input has a batch's axis besides the channels'."""
    case = ENTRIES[function].make(rng)
    return case if case.inputs[0].ndim > 1 else _two_dims(rng, function)


_norm("InstanceNorm", "instance_norm")
_norm("LayerNorm", "layer_norm")


def _convolution(name: str, function: str, filters_axis: int) -> None:
    @register(name)
    def draw(rng: Rng) -> Case:
        case = ENTRIES[function].make(rng)
        x, w = case.inputs
        own = {k: v for k, v in case.settings.items() if k != "columns_at_a_time"}
        transposed = filters_axis == -2
        filters = w.shape[filters_axis] * (own["groups"] if transposed else 1)
        taps = w.shape[0] if w.ndim == 3 else w.shape[:2]
        use_bias = chance(rng, 0.6)
        layer = _made(name, filters, taps, **own, use_bias=use_bias, dtype="float64")
        inputs = [x, w, *([values(rng, (filters,))] if use_bias else [])]
        settings = {"filters": filters, "kernel_size": taps, **case.settings, "use_bias": use_bias}
        return Case(functional(layer.build(x.shape, seed=0)), inputs, settings)


_convolution("Conv1D", "conv1d", -1)
_convolution("Conv2D", "conv2d", -1)
_convolution("Conv2DTranspose", "conv2d_transpose", -2)


# Layers with more to them


@register("UpSampling2D")
def _up_sampling(rng: Rng) -> Case:
    interpolation = pick(rng, ["nearest", "bilinear"])
    case = ENTRIES[f"upsample_{interpolation}"].make(rng)
    settings = {"size": case.settings["factor"], "interpolation": interpolation}
    return Case(functional(nn.UpSampling2D(**settings)), case.inputs, settings)


@register("Reshape")
def _reshape(rng: Rng) -> Case:
    x = values(rng, map_shape(rng))
    n, h, w, c = x.shape
    target = pick(rng, [(h * w * c,), (c, h * w), (-1,), (w, -1, c), (1, h, -1), (c, w, h)])
    return Case(functional(nn.Reshape(*target)), [x], {"shape": target})


@register("Dropout")
def _dropout(rng: Rng) -> Case:
    x = values(rng, shape(rng))
    rate, mode = pick(rng, [0.5, 0.25, number(rng, 0.05, 0.7)]), chance(rng, 0.8)
    seed = some_kept(rng, x.shape, rate, "gradcheck")
    function = functional(nn.Dropout(rate), mode=mode, seed=seed)
    return Case(function, [x], {"rate": rate, "training": mode})


@register("BatchNorm")
def _batch_norm(rng: Rng) -> Case:
    x, gamma, beta = ENTRIES["batch_norm"].make(rng).inputs
    mode = chance(rng, 0.6)
    settings = {**batch_settings(rng), "affine": chance(rng, 0.7)}
    layer = nn.BatchNorm(**settings, dtype="float64").build(x.shape, seed=0)
    set_running(rng, layer)
    own = [gamma, beta] if layer.affine else []
    return Case(functional(layer, mode=mode), [x, *own], {**settings, "training": mode})


def batch_settings(rng: Rng) -> dict[str, Any]:
    """Settings of batch normalisation."""
    return {"decay": pick(rng, [0.99, 0.9, 0.0]), "eps": pick(rng, [1e-3, 1e-5, 0.1, 0.4])}


def set_running(rng: Rng, norm: nn.BatchNorm) -> None:
    """Give it running statistics as if it had seen batches."""
    norm.running_mean.assign(values(rng, norm.running_mean.shape))
    norm.running_var.assign(values(rng, norm.running_var.shape, "positive"))


@register("Dense")
def _dense(rng: Rng) -> Case:
    x = values(rng, shape(rng, 2, 4, most=40))
    settings = {"units": whole(rng, 1, 4), "use_bias": chance(rng, 0.6)}
    return layer_case(rng, _made("Dense", **settings, dtype="float64"), x, settings)


@register("Embedding")
def _embedding(rng: Rng) -> Case:
    case = ENTRIES["embedding"].make(rng)
    (table,) = case.inputs
    ids = np.asarray(case.settings["ids"]).reshape(-1, 1)  # a batch of them
    settings = {"count": table.shape[0], "width": table.shape[1]}
    layer = nn.Embedding(**settings, dtype="float64").build(ids.shape, seed=0)
    return Case(functional(layer, [ids]), [table], {**settings, "ids": case.settings["ids"]})


@register("Sequential")
def _sequential(rng: Rng) -> Case:
    name = pick(rng, sorted(NETWORKS))
    network, x = NETWORKS[name](rng)
    return layer_case(rng, network, x, {"network": name})


def _perceptron(rng: Rng) -> tuple[nn.Module, np.ndarray]:
    smooth = pick(rng, [nn.Tanh, nn.Softplus, nn.GELU])
    layers = [nn.Dense(3, dtype="float64"), nn.LayerNorm(eps=0.1, dtype="float64"), smooth()]
    last = nn.Dense(whole(rng, 1, 2), dtype="float64")
    return nn.Sequential(*layers, last), values(rng, (whole(rng, 5, 8), whole(rng, 3, 5)))


def _critic(rng: Rng) -> tuple[nn.Module, np.ndarray]:
    # Without a bias: normalisation takes it away again, so it would have the gradient zero.
    convolution = nn.Conv2D(2, (2, 1), pick(rng, [1, 2]), "same", use_bias=False, dtype="float64")
    norm = pick(rng, [nn.BatchNorm, nn.InstanceNorm])(eps=0.2, dtype="float64")
    head = [nn.Flatten(), nn.Dense(1, dtype="float64")]
    x = spread(rng, (2, 4, 3, whole(rng, 1, 2)), (0, 1, 2))
    return nn.Sequential(convolution, norm, nn.Softplus(), *head), x


def _generator(rng: Rng) -> tuple[nn.Module, np.ndarray]:
    first = [nn.Dense(8, dtype="float64"), nn.Reshape(2, 2, 2), nn.Sigmoid()]
    up = nn.Conv2DTranspose(1, 3, 2, "same", dtype="float64")
    return nn.Sequential(*first, up, nn.Tanh()), values(rng, (2, 3))


NETWORKS: dict[str, Callable[[Rng], tuple[nn.Module, np.ndarray]]] = {
    "critic": _critic,
    "generator": _generator,
    "perceptron": _perceptron,
}
"""The small networks that ``Sequential`` is checked with, without kinks."""
