"""Looking inside trained networks: what layers answer, what D minds, where noise leads.

Networks run in evaluation mode and nothing in them changes. Whatever takes ``condition`` hands it
on to the network as its second input. Noise and results are NumPy arrays, wherever the network is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import grad
from ..backend import to_device
from ..errors import NonFiniteError
from ..nn import Conv1D, Conv2D, Conv2DTranspose, Module, Sequential, Sigmoid, training, watch
from ..random import Stream
from ..tensor import Tensor, no_grad
from .conditioning import Codes
from .latent import Latent, Uniform, noise_for
from .records import Output
from .sampling import AT_A_TIME

CONVOLUTIONS = (Conv1D, Conv2D, Conv2DTranspose)
_COLUMNS = 16  # of a Jacobian at a time: each is a sample with a graph behind it
_REACH = 2.5  # standard deviations: 99 % of normal noise is within


def noise_of(generator: Module, latent: Latent, count: int, seed: int = 0) -> np.ndarray:
    """The noise (count, size), at most 64 vectors, of the images that ``sample`` draws first."""
    noise = noise_for(generator, latent, AT_A_TIME, Stream(seed, "sampling", 0))
    return np.asarray(to_device(noise, "cpu"))[:count]


def generate(generator: Module, noise: np.ndarray, condition: Any = None) -> np.ndarray:
    """The images (N, H, W, C) that a generator makes of noise (N, size)."""
    made = []
    with no_grad(), training(False):
        for start in range(0, len(noise), AT_A_TIME):
            rows = [array[start : start + AT_A_TIME] for array in (noise, *_given(condition))]
            made.append(generator(*_beside(generator, *rows)).numpy())
    return np.concatenate(made)


def activations(
    network: Callable[..., Any],
    *inputs: Any,
    kinds: tuple[type[Module], ...] = CONVOLUTIONS,
) -> list[tuple[Module, np.ndarray]]:
    """Each layer of these kinds with its result on the inputs, in the order of the forward pass.

    The results of 2-d convolutions are maps (N, H, W, C), before any activation function.
    """
    found: list[tuple[Module, np.ndarray]] = []

    def look(module: Module, result: Any) -> None:
        if isinstance(module, kinds):
            found.append((module, result.numpy()))

    with no_grad(), training(False), watch(look):
        network(*inputs)
    return found


def saliency(
    discriminator: Callable[..., Any], images: np.ndarray, condition: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """D(x), (N, outputs), and ∂ΣD(x)/∂x, (N, H, W, C), for images (N, H, W, C) on D's device.

    Where the gradient is positive a larger pixel would make D take the image for more real
    (Simonyan, Vedaldi and Zisserman, 2014, section 3). ``discriminator`` is a module or
    ``Game.judge``, and D(x) its raw score: of a Sigmoid at its end the input, as the slope of a
    probability near 0 or 1 vanishes. No image's score depends on another image, so that one pass
    back gives all.
    """
    x = Tensor(images, requires_grad=True)
    seen: list[tuple[Module, Any]] = []
    with training(False), watch(lambda module, result: seen.append((module, result))):
        judged = discriminator(x, *_given(condition))
    scores = judged.logits if isinstance(judged, Output) else judged
    ends = {id(m[-1]) for m, _ in seen if isinstance(m, Sequential) and len(m) > 1}
    for (_, before), (module, result) in zip(seen, seen[1:], strict=False):
        if isinstance(module, Sigmoid) and id(module) in ends and result is scores:
            scores = before
            break
    (slope,) = grad(scores.sum(), [x])
    return scores.numpy(), slope.numpy()


# Ways through the noise


def slerp(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """From ``start`` to ``end`` (…, size) along a great circle: (T, …, size) for ``shares`` (T,).

    With Ω the angle between the unit vectors u and v, the direction at share t is
    (sin((1 − t)Ω)·u + sin(tΩ)·v)/sin Ω (Shoemake, 1985; White, 2016), and the length goes from
    one to the other linearly. A straight line leads through short vectors, of which normal noise
    of many numbers has none. Vectors on one line have no great circle and are joined straight.
    """
    start, end = np.broadcast_arrays(start, end)
    t = np.reshape(shares, (-1, *[1] * start.ndim))
    a, b = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (start, end))
    with np.errstate(all="ignore"):
        angle = np.arccos(np.clip((start / a * (end / b)).sum(-1, keepdims=True), -1, 1))
        sides = np.sin((1 - t) * angle) * start / a + np.sin(t * angle) * end / b
        curved = ((1 - t) * a + t * b) * sides / np.sin(angle)
    is_line = ~(np.sin(angle) > 1e-6)  # or NaN
    return np.where(is_line, (1 - t) * start + t * end, curved).astype(start.dtype)


def interpolate(latent: Latent, start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """``count`` steps (count, …, size) from one noise vector to another, both ends included.

    Normal noise goes by ``slerp``, all other straight.
    """
    shares = np.linspace(0, 1, count)
    t = np.reshape(shares, (-1, *[1] * np.ndim(start)))
    straight = ((1 - t) * start + t * end).astype(start.dtype)
    normal = normal_part(latent)
    curved = slerp(start[..., :normal], end[..., :normal], shares)
    return np.concatenate([curved, straight[..., normal:]], axis=-1)


def traverse(latent: Latent, noise: np.ndarray, directions: np.ndarray, count: int) -> np.ndarray:
    """Walks from ``noise`` (size,) along unit ``directions`` (K, size): (K, count, size).

    A walk replaces the noise's coordinate along its direction by ``count`` values over its range:
    ±2.5 for normal noise, from low to high for uniform, −1 to 1 for the continuous part of
    ``Codes``. Raises ``ValueError`` where one leads through a one-hot code: training sees nothing
    between two classes, or of two at once; ``Codes.told`` sets the class.
    """
    if isinstance(latent, Codes) and any(directions[:, part].any() for part in latent.one_hot):
        raise ValueError("directions: got one through a one-hot code, which has classes only")
    centre, reach = span(latent)
    away = noise - centre
    flat = away - (directions @ away)[:, None] * directions
    values = np.linspace(-1, 1, count)[:, None] * (directions**2 @ reach)[:, None, None]
    walks = centre + flat[:, None] + values * directions[:, None]
    limit = np.where(np.arange(latent.size) < normal_part(latent), np.inf, reach)
    return np.clip(walks, centre - limit, centre + limit).astype(noise.dtype)


def span(latent: Latent) -> tuple[np.ndarray, np.ndarray]:
    """The middle and the half width of the range of each of the noise's numbers, (size,) each."""
    centre, reach = np.zeros(latent.size), np.full(latent.size, _REACH)
    if isinstance(latent, Uniform):
        centre[:], reach[:] = (latent.low + latent.high) / 2, (latent.high - latent.low) / 2
    if isinstance(latent, Codes):
        ends = latent.noise, latent.size - latent.continuous
        centre[slice(*ends)], reach[slice(*ends)], reach[ends[1] :] = 0.5, 0.5, 1.0
    return centre, reach


def normal_part(latent: Latent) -> int:
    """How many of the noise's numbers, its first, are normal."""
    if isinstance(latent, Codes):
        return latent.noise
    return 0 if isinstance(latent, Uniform) else latent.size


# What the noise does to the image


def jacobian(generator: Module, noise: np.ndarray, condition: Any = None) -> np.ndarray:
    """∂G/∂z at one noise vector (size,): (H, W, C, size), exactly. ``condition`` has one row.

    Jᵀu, the gradient of ⟨G(z), u⟩, is linear in u, whatever u is; so the gradient of ⟨Jᵀu, v⟩ with
    respect to u is J·v, a column of J for each unit vector v: two passes back and none forward
    for each. The batch holds the same z for many v.
    """
    basis = np.eye(len(noise), dtype=noise.dtype)
    columns = []
    for start in range(0, len(noise), _COLUMNS):
        rows = basis[start : start + _COLUMNS]
        alike = [np.repeat(a, len(rows), axis=0) for a in (noise[None], *_given(condition))]
        v, z, *told = _beside(generator, rows, *alike)
        z = Tensor(z, requires_grad=True)
        with training(False):
            images = generator(z, *told)
        u = Tensor(0 * images.detach(), requires_grad=True)
        (pulled,) = grad(images, [z], u, create_graph=True)
        (pushed,) = grad(pulled, [u], v)
        columns.append(pushed.numpy())
    return np.moveaxis(np.concatenate(columns), 0, -1)


def metric(generator: Module, noise: np.ndarray, condition: Any = None) -> np.ndarray:
    """The mean of JᵀJ over noise vectors (N, size): (size, size), in float64.

    ‖G(z + d) − G(z)‖² ≈ dᵀJᵀJd: it measures steps in noise by the change of the image (Shao, Kumar
    and Fletcher, 2018).
    """
    total = np.zeros((noise.shape[1], noise.shape[1]))
    for i in range(len(noise)):
        rows = jacobian(generator, noise[i], *[c[i : i + 1] for c in _given(condition)])
        flat = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
        total += flat.T @ flat / len(noise)
    return total


def directions(metric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The unit directions (size, size), a row each, that change the image most, and how much.

    The change (size,), largest first, is that of the image's norm by a unit step: at one noise
    vector these are the singular values and right singular vectors of the Jacobian. Each
    direction's largest number is positive.
    """
    squares, columns = np.linalg.eigh(metric)
    rows = columns.T[::-1]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(1, keepdims=True), axis=1)
    return np.sqrt(np.maximum(squares[::-1], 0)), rows * np.sign(largest)


# What the weights do


def singular_values(network: Module) -> dict[str, float]:
    """The largest singular value of each weight of two axes or more, by dotted name.

    A convolution's weight stands as a matrix with one column to a filter, as in spectral
    normalisation (Miyato et al., 2018, section 2.1).
    """
    modules = [module for _, module in network.named_modules()]
    turned = {id(m.weight) for m in modules if isinstance(m, Conv2DTranspose)}
    found = {}
    for name, parameter in network.named_parameters().items():
        if parameter.ndim < 2:
            continue
        weight = np.asarray(to_device(parameter._array, "cpu"), np.float64)
        if not np.isfinite(weight).all():
            raise NonFiniteError(f"{name} is not finite, so it has no singular values")
        filters = weight.swapaxes(-1, -2) if id(parameter) in turned else weight
        found[name] = float(np.linalg.norm(filters.reshape(-1, filters.shape[-1]), 2))
    return found


def _given(condition: Any) -> list[Any]:
    """A condition as further arguments: none if there is no condition."""
    return [] if condition is None else [condition]


def _beside(network: Module, *arrays: np.ndarray) -> list[Any]:
    """The arrays on the network's device."""
    device = next((p.device for p in network.parameters()), "cpu")
    return [to_device(array, device) for array in arrays]
