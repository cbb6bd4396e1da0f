"""Entries of the layers that GANs need: of labels, of batches, of bounded slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import gan, nn
from ...tensor import Tensor, no_grad
from .draws import Rng, chance, number, pick, shape, until, values, whole
from .entries import Case, register
from .functional import functional
from .layers import batch_settings, layer_case, set_running
from .maps import spread

F64: dict[str, Any] = {"dtype": "float64"}


def _labels(rng: Rng, count: int, classes: int) -> np.ndarray:
    return rng.integers(0, classes, count)


def _labelled(
    rng: Rng, module: nn.Module, x: np.ndarray, settings: dict[str, Any], mode: bool = True
) -> Case:
    """``module``, with new parameters, at x and labels of ``settings["classes"]``."""
    labels = _labels(rng, len(x), settings["classes"])
    module.build(x.shape, labels.shape, seed=0)
    own = [values(rng, p.shape, "off_zero") for p in module.parameters()]
    settings = {**settings, "labels": tuple(labels.tolist())}
    return Case(functional(module, [labels], mode=mode), [x, *own], settings)


def _settled(
    rng: Rng, module: nn.Module, x: np.ndarray, fixed: list[np.ndarray], settings: dict[str, Any]
) -> Case:
    """``module`` (built) in evaluation, its singular vectors being those of its new weights.

    In training they follow the weights, as constants, which differences would not leave alone.
    """
    for parameter in module.parameters():
        parameter.assign(values(rng, parameter.shape, "off_zero"))
    with no_grad(), nn.training(True):
        module(x, *fixed)
    own = [p.numpy() for p in module.parameters()]
    return Case(functional(module, fixed, mode=False), [x, *own], settings)


def _sequence_of_maps(rng: Rng, channels: int) -> np.ndarray:
    return values(rng, (whole(rng, 2, 3), whole(rng, 2, 3), whole(rng, 2, 3), channels))


# Normalising


@register("PixelNorm")
def _pixel_norm(rng: Rng) -> Case:
    settings: dict[str, Any] = {"eps": pick(rng, [1e-8, 1e-3, number(rng, 0.05, 0.5)])}
    x = values(rng, shape(rng, 2, least_side=2), "off_zero")
    return Case(functional(nn.PixelNorm(**settings)), [x], settings)


@register("ConditionalBatchNorm")
def _conditional_batch_norm(rng: Rng) -> Case:
    mode, channels = chance(rng, 0.6), whole(rng, 1, 3)
    full = pick(rng, [(whole(rng, 5, 8), channels), (3, 2, whole(rng, 1, 3), channels)])
    settings: dict[str, Any] = {"classes": whole(rng, 2, 4), **batch_settings(rng)}
    module = nn.ConditionalBatchNorm(**settings, **F64)
    x = spread(rng, full, tuple(range(len(full) - 1)))
    case = _labelled(rng, module, x, {**settings, "training": mode}, mode)
    set_running(rng, module.norm)
    return case


@register("VirtualBatch", "VirtualBatchNorm")
def _virtual_batch(rng: Rng) -> Case:
    size, eps, classes = whole(rng, 2, 5), pick(rng, [0.05, 0.1, 0.3]), pick(rng, [None, 2, 3])
    told = [nn.LabelConcat(classes, **F64)] if classes else []
    first = nn.Dense(whole(rng, 1, 3), use_bias=False, **F64)
    network = nn.Sequential(*told, first, nn.VirtualBatchNorm(eps=eps, **F64))
    module = nn.VirtualBatch(network, size, classes=classes)
    sides = [whole(rng, 1, 3)] * pick(rng, [0, 1, 1])
    x = values(rng, (whole(rng, 3, 5), *sides, whole(rng, 3, 4)))
    settings: dict[str, Any] = {"size": size, "eps": eps, "classes": classes}
    return _labelled(rng, module, x, settings) if classes else layer_case(rng, module, x, settings)


@register("SpectralNorm")
def _spectral_norm(rng: Rng) -> Case:
    name, iterations = pick(rng, sorted(WEIGHTED)), pick(rng, [1, 2, 3])
    layer, x = WEIGHTED[name](rng)
    module = nn.SpectralNorm(layer, iterations).build(x.shape, seed=0)
    case = _settled(rng, module, x, [], {"layer": name, "iterations": iterations})
    if x.dtype.kind != "i":
        return case
    return case._replace(function=functional(module, [x], mode=False), inputs=case.inputs[1:])


def _ids(rng: Rng) -> tuple[nn.Module, np.ndarray]:
    count = whole(rng, 2, 6)
    return nn.Embedding(count, whole(rng, 4, 6), **F64), _labels(rng, whole(rng, 3, 6), count)


WEIGHTED: dict[str, Callable[[Rng], tuple[nn.Module, np.ndarray]]] = {
    "Conv2D": lambda rng: (
        nn.Conv2D(whole(rng, 1, 3), (2, whole(rng, 1, 2)), padding="same", **F64),
        _sequence_of_maps(rng, whole(rng, 1, 3)),
    ),
    "Conv2DTranspose": lambda rng: (
        nn.Conv2DTranspose(whole(rng, 1, 3), 2, pick(rng, [1, 2]), **F64),
        _sequence_of_maps(rng, whole(rng, 1, 3)),
    ),
    "Dense": lambda rng: (
        nn.Dense(whole(rng, 1, 4), **F64),
        values(rng, (whole(rng, 4, 7), whole(rng, 3, 6))),
    ),
    "Embedding": _ids,
}
"""The layers that ``SpectralNorm`` is checked with, and their inputs."""


@register("GradientNormalized")
def _gradient_normalized(rng: Rng) -> Case:
    bend, hidden = pick(rng, [nn.Tanh, nn.Softplus, nn.GELU]), whole(rng, 2, 3)
    heads = chance(rng, 0.4)

    def draw() -> Case:
        body, last = nn.Sequential(nn.Dense(hidden, **F64), bend()), nn.Dense(1, **F64)
        critic = gan.Heads(body, last) if heads else nn.Sequential(body, last)
        x = values(rng, (whole(rng, 4, 7), whole(rng, 3, 5)))
        settings: dict[str, Any] = {"activation": bend.__name__, "hidden": hidden, "heads": heads}
        case = layer_case(rng, nn.GradientNormalized(critic), x, settings)
        logits = lambda *tensors: case.function(*tensors).logits  # noqa: E731
        return case._replace(function=logits) if heads else case

    # |D| has its kink where D, and so D̂, is zero; where ‖∇D‖ is, D̂ is ±1.
    return until(draw, lambda case: _is_between(case, 0.1, 0.95))


def _is_between(case: Case, low: float, high: float) -> bool:
    with no_grad():
        found = abs(case.function(*map(Tensor, case.inputs)).numpy())
    return bool(found.min() > low and found.max() < high)


# Of batches


@register("MinibatchDiscrimination")
def _minibatch_discrimination(rng: Rng) -> Case:
    settings: dict[str, Any] = {"kernels": whole(rng, 1, 3), "dims": whole(rng, 1, 3)}
    x = values(rng, (whole(rng, 3, 6), whole(rng, 4, 6)))
    case = layer_case(rng, nn.MinibatchDiscrimination(**settings, **F64), x, settings)
    return case._replace(inputs=[x, case.inputs[1] / 3])  # or all would be far apart


@register("MinibatchStdDev")
def _minibatch_std_dev(rng: Rng) -> Case:
    group = pick(rng, [None, 3, 4, 5])  # that of two is |a − b|/2, whose gradient does not vary
    rest = pick(rng, [(whole(rng, 3, 6),), (2, whole(rng, 1, 2), whole(rng, 2, 3))])
    x = values(rng, (pick(rng, [1, 2]) * (group or 3), *rest))
    return Case(functional(nn.MinibatchStdDev(group)), [x], {"group": group})


# Of labels


@register("LabelConcat")
def _label_concat(rng: Rng) -> Case:
    settings: dict[str, Any] = {
        "classes": whole(rng, 2, 5),
        "embedding": pick(rng, [None, 1, 2, 3]),
    }
    x = values(rng, shape(rng, 2, least_side=2))
    return _labelled(rng, nn.LabelConcat(**settings, **F64), x, settings)


@register("Projection")
def _projection(rng: Rng) -> Case:
    settings: dict[str, Any] = {"classes": whole(rng, 2, 5), "spectral": chance(rng, 0.4)}
    x = values(rng, (whole(rng, 4, 8), whole(rng, 3, 6)))
    module = nn.Projection(**settings, **F64)
    if not settings["spectral"]:
        return _labelled(rng, module, x, settings)
    labels = _labels(rng, len(x), settings["classes"])
    settings["labels"] = tuple(labels.tolist())
    return _settled(rng, module.build(x.shape, labels.shape, seed=0), x, [labels], settings)


# Of parts


@register("SelfAttention")
def _self_attention(rng: Rng) -> Case:
    settings: dict[str, Any] = {"pool": chance(rng, 0.6), "spectral": chance(rng, 0.4)}
    x = values(rng, (2, whole(rng, 2, 4), whole(rng, 2, 3), whole(rng, 2, 4)))
    module = nn.SelfAttention(**settings, **F64)
    if settings["spectral"]:
        return _settled(rng, module.build(x.shape, seed=0), x, [], settings)
    return layer_case(rng, module, x, settings)


@register("Maxout")
def _maxout(rng: Rng) -> Case:
    settings: dict[str, Any] = {
        "units": whole(rng, 1, 3),
        "pieces": whole(rng, 1, 4),
        "use_bias": chance(rng),
    }
    x = values(rng, (whole(rng, 3, 6), *[2] * whole(rng, 0, 1), whole(rng, 3, 5)))
    return layer_case(rng, nn.Maxout(**settings, **F64), x, settings)


@register("Residual")
def _residual(rng: Rng) -> Case:
    """A block of SN-GAN's generator, unconditional or conditional, or one that keeps x."""
    kind, channels = pick(rng, ["plain", "enlarging", "conditional"]), whole(rng, 1, 2)
    x = spread(rng, (2, 2, 3, whole(rng, 1, 3)), (0, 1, 2))
    if kind == "plain":
        kept = nn.Conv2D(x.shape[3], (2, 1), padding="same", **F64)
        return layer_case(rng, nn.Residual(nn.Sequential(nn.Tanh(), kept)), x, {"kind": kind})
    classes = whole(rng, 2, 3)
    norm = nn.ConditionalBatchNorm(classes, **F64) if kind == "conditional" else nn.BatchNorm(**F64)
    up, last = nn.UpSampling2D((2, 1)), nn.Conv2D(channels, (1, 2), padding="same", **F64)
    block = nn.Residual(
        nn.Sequential(norm, nn.Softplus(), up, last),
        nn.Sequential(nn.UpSampling2D((2, 1)), nn.Conv2D(channels, 1, use_bias=False, **F64)),
    )
    if kind == "enlarging":
        return layer_case(rng, block, x, {"kind": kind})
    case = _labelled(rng, block, x, {"classes": classes})
    return case._replace(settings={"kind": kind, **case.settings})
