"""minigan's side, through its public interface.

Games are played by ``gan.Trainer.step``, as users' are, with all that it does beside the two moves:
it checks every gradient for numbers that are not finite, keeps copies to undo a failed step, and
reports the mean scores. PyTorch's side has no such work, so the ratio is on the safe side. Only the
critic's move is written out with ``grad`` and an optimiser, as the trainer has no lone critic;
sampling is ``gan.sample``. Both keep their memory in ``mg.Buffers``, as a trainer does. On a GPU
games are played captured, too; with noise that is given, for parity, they are not.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigan as mg
from minigan import gan, nn, optim, workers
from minigan.backend import Array, array_module, library_on, to_device
from minigan.kernels import gemm

from . import networks as n
from .workloads import PENALTY, Adam, Workload

LOSSES = {
    "logits": gan.NonSaturating(),
    "probabilities": gan.BinaryCrossEntropy(),
    "halved": gan.BinaryCrossEntropy(mean_of_terms=True),
}


device = "cpu"
"""Where everything here is computed; ``set_device`` says."""


def versions() -> dict[str, str]:
    if device != "cpu":
        xp = library_on(device)
        name = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)["name"].decode()
        return {"minigan": mg.__version__, "cupy": xp.__version__, "gpu": name}
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "python": platform.python_version(),
        "minigan": mg.__version__,
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
    }


def set_threads(count: int) -> None:
    """For the rest of the process; BLAS has read the number from the environment."""
    workers.limit.set(count)


def set_device(name: str, precision: str) -> None:
    """For the rest of the process: compute on that GPU, and multiply float32 so."""
    global device
    device = name
    gemm.precision.set(precision)


def event() -> Any:
    made = library_on(device).cuda.Event()
    made.record()
    return made


def seconds(first: Any, second: Any) -> float:
    second.synchronize()
    return library_on(device).cuda.get_elapsed_time(first, second) / 1e3


def memory() -> int:
    free, total = library_on(device).cuda.runtime.memGetInfo()
    return total - free


def variants(workload: Workload) -> list[str]:
    ways = {"critic": "grad", "layer": "grad", "optimizer": "optim", "sample": "gan.sample"}
    made = [ways.get(workload.step, "gan.Trainer")]
    captured = device != "cpu" and workload.step in ("alternating", "simultaneous")
    return [*made, "gan.Trainer captured"] if captured else made


def build(workload: Workload, weights: tuple[n.Weights, n.Weights], variant: str) -> Any:
    kinds = {"critic": Critic, "layer": Layer, "optimizer": Optimizer, "sample": Sampler}
    runner = kinds.get(workload.step, Players)(workload, *weights)
    if variant.endswith("captured"):
        runner.trainer.capture()
    return runner


def network(layers: n.Layers, shape: n.Shape, weights: n.Weights) -> nn.Sequential:
    """The layers with these weights."""
    made = nn.Sequential(*map(module, layers)).build((None, *shape), seed=0)
    named = {f"{i}.{name}": w for i, held in enumerate(weights) for name, w in held.items()}
    made.load_state_dict(named)
    return made.to(device)


def module(layer: n.Layer) -> nn.Module:
    """minigan's layer for a neutral one."""
    match layer:
        case n.Dense(units, bias):
            return nn.Dense(units, use_bias=bias)
        case n.Conv(filters, taps, stride, bias):
            return nn.Conv2D(filters, taps, stride, "same", use_bias=bias)
        case n.ConvTransposed(filters, taps, stride, bias):
            return nn.Conv2DTranspose(filters, taps, stride, "same", use_bias=bias)
        case n.BatchNorm(decay):
            return nn.BatchNorm(decay=decay)
        case n.LeakyReLU(slope):
            return nn.LeakyReLU(slope)
        case n.Dropout(rate):
            return nn.Dropout(rate)
        case n.Upsample():
            return nn.UpSampling2D(2)
        case n.GlobalAverage():
            return nn.GlobalAveragePooling2D()
        case n.Reshape():
            return nn.Reshape(*layer.shape)
    return {n.ReLU: nn.ReLU, n.Tanh: nn.Tanh, n.Sigmoid: nn.Sigmoid, n.Flatten: nn.Flatten}[
        type(layer)
    ]()


def optimizer(workload: Workload) -> optim.Optimizer:
    settings = workload.optimizer
    if isinstance(settings, Adam):
        return optim.Adam(settings.lr, beta1=settings.beta1, beta2=settings.beta2)
    return optim.RMSprop(settings.lr, rho=settings.rho)


class Latent:
    """Noise of the workload's kind, or the next rows of ``given`` where there are some."""

    anywhere = True  # as no step is captured while they are given

    def __init__(self, workload: Workload) -> None:
        self.size = workload.latent
        kind = {"normal": gan.Normal, "uniform": gan.Uniform}[workload.noise]
        self.own: gan.Latent = kind(workload.latent)
        self.given: np.ndarray | None = None

    def draw(self, count: int, stream: mg.random.Stream) -> np.ndarray:
        # The trainer also draws from a stream of that name, once, to learn the images' shape.
        if self.given is None or stream.name == "shape":
            return self.own.draw(count, stream)
        rows, self.given = self.given[:count], self.given[count:]
        return rows


class Players:
    """A game and its trainer."""

    def __init__(self, workload: Workload, generator: n.Weights, discriminator: n.Weights) -> None:
        self.latent = Latent(workload)
        game = gan.Game(
            network(workload.generator, (workload.latent,), generator),
            network(workload.discriminator, workload.image, discriminator),
            LOSSES[workload.loss],
            self.latent,
        )
        self.trainer = gan.Trainer(
            game, optimizers=optimizer(workload), update=workload.step, device=device
        )

    def place(self, batch: tuple[np.ndarray, ...]) -> Array:
        return to_device(batch[0], device)

    def step(self, real: Array, draws: np.ndarray | None = None) -> gan.Report:
        self.latent.given = draws
        if draws is not None:
            self.trainer.captured = None
        report = self.trainer.step(real)
        _ = report.generator_loss  # as a captured step is read when a number is asked for
        return report

    def figures(self, report: gan.Report) -> Sequence[float]:
        return report.discriminator_loss, report.generator_loss


class Critic:
    """E s(fake) − E s(real) + 10·E(‖∇s(x̂)‖ − 1)², x̂ on the lines between real and fake."""

    def __init__(self, workload: Workload, _: n.Weights, critic: n.Weights) -> None:
        self.critic = network(workload.discriminator, workload.image, critic)
        self.optimizer = optimizer(workload).bind(self.critic)
        self.buffers, self.count = mg.Buffers(), 0

    def place(self, batch: tuple[np.ndarray, ...]) -> tuple[Array, ...]:
        return tuple(to_device(array, device) for array in batch)

    def step(self, batch: tuple[Array, ...], draws: np.ndarray | None = None) -> float:
        if draws is None:
            stream = mg.random.Stream(0, "penalty", self.count)
            places = stream.uniform((len(batch[0]), 1), device=device)
        else:
            places = to_device(draws, device)
        self.count += 1
        with self.buffers.in_use():
            loss = self.move(*batch, places.reshape(-1, 1, 1, 1))
        self.buffers.trim()
        return loss

    def move(self, real: Array, fake: Array, place: Array) -> float:
        between = mg.Tensor(fake + place * (real - fake), requires_grad=True)
        (slope,) = mg.grad(self.critic(between).sum(), [between], create_graph=True)
        norms = mg.sqrt((slope**2).sum((1, 2, 3)))
        scores = self.critic(array_module(real).concatenate([real, fake]))
        distance = scores[: len(real)].mean() - scores[len(real) :].mean()
        loss = PENALTY * ((norms - 1) ** 2).mean() - distance
        self.optimizer.step(mg.grad(loss, self.critic.parameters()))
        return loss.item()

    def figures(self, loss: float) -> Sequence[float]:
        return (loss,)


class Sampler:
    """Images from a generator."""

    def __init__(self, workload: Workload, generator: n.Weights, _: n.Weights) -> None:
        self.latent, self.batch = Latent(workload), workload.batch
        self.generator = network(workload.generator, (workload.latent,), generator)
        self.buffers, self.count = mg.Buffers(), 0

    def place(self, batch: tuple[np.ndarray, ...]) -> None:
        return None

    def step(self, _: None, draws: np.ndarray | None = None) -> np.ndarray:
        self.latent.given = draws
        self.count += 1
        with self.buffers.in_use():
            return gan.sample(self.generator, self.latent, self.batch, seed=self.count)

    def figures(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:: max(1, len(images) // 16)].ravel()


class Layer:
    """A layer's forward pass and gradients, on maps that lie in memory as inside a network."""

    def __init__(self, workload: Workload, _: n.Weights, weights: n.Weights) -> None:
        self.network = network(workload.discriminator, workload.image, weights)
        self.buffers = mg.Buffers()

    def place(self, batch: tuple[np.ndarray, ...]) -> tuple[mg.Tensor, np.ndarray]:
        x, g = (to_device(a, device) for a in batch)
        if device == "cpu":
            x, g = (np.moveaxis(np.moveaxis(a, 0, -2).copy(), -2, 0) for a in (x, g))
        leaf = mg.Tensor(x, requires_grad=True)
        leaf._array = x  # Tensor(x) would copy it into another order
        return leaf, g

    def step(self, batch: Any, draws: np.ndarray | None = None) -> tuple[mg.Tensor, ...]:
        x, g = batch
        with self.buffers.in_use():
            y = self.network(x)
            found = y, *mg.grad(y, [x, *self.network.parameters()], g)
        self.buffers.trim()
        return found

    def figures(self, found: tuple[mg.Tensor, ...]) -> Sequence[float]:
        y, of_x, *rest = (t.numpy() for t in found)
        return [*_some(y), *_some(of_x), *(float(np.linalg.norm(g)) for g in rest)]


class Optimizer:
    """An optimiser's update by given gradients."""

    def __init__(self, workload: Workload, _: n.Weights, weights: n.Weights) -> None:
        self.network = network(workload.discriminator, workload.image, weights)
        self.optimizer = optimizer(workload).bind(self.network)

    def place(self, batch: tuple[np.ndarray, ...]) -> tuple[Array, ...]:
        return tuple(to_device(array, device) for array in batch)

    def step(self, batch: Any, draws: np.ndarray | None = None) -> None:
        self.optimizer.step(batch)

    def figures(self, _: None) -> Sequence[float]:
        return [float(np.linalg.norm(p.numpy())) for p in self.network.parameters()]


def _some(values: np.ndarray) -> np.ndarray:
    """A few of the numbers, spread over all."""
    return values.reshape(-1)[:: max(1, values.size // 16)]
