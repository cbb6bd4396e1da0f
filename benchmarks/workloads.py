"""What is timed: training steps of well-known networks, and sampling.

Speed does not depend on the pictures, so the data are noise of the right shape and range.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .networks import (
    BatchNorm,
    Conv,
    ConvTransposed,
    Dense,
    Dropout,
    Flatten,
    GlobalAverage,
    Layer,
    Layers,
    LeakyReLU,
    ReLU,
    Reshape,
    Shape,
    Sigmoid,
    Tanh,
    Upsample,
    Weights,
    draw_weights,
    shapes,
)

PENALTY = 10.0
"""The weight of the gradient penalty (Gulrajani et al., 2017)."""

POOL = 4
"""How many different batches there are."""


@dataclass(frozen=True)
class Adam:
    """Adam's settings; ε is 1e-8."""

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999


@dataclass(frozen=True)
class RMSprop:
    """RMSprop's settings; ε is 1e-7."""

    lr: float
    rho: float


@dataclass(frozen=True)
class Workload:
    """One kind of step, complete enough for both sides to build the same.

    ``step`` is one of

    - "alternating": the discriminator's move, then the generator's, each on noise of its own;
    - "simultaneous": both gradients from one forward pass, then both moves;
    - "critic": the critic's move alone, with a gradient penalty, on given real and fake images;
    - "sample": ``batch`` images from the generator in evaluation mode;
    - "layer": the discriminator's forward pass, and the gradients of its input and parameters;
    - "optimizer": an update of the discriminator's parameters by given gradients.

    ``loss`` is "logits" (non-saturating), or cross-entropy on "probabilities", or that with the
    discriminator's two terms averaged, "halved"; a critic's is Wasserstein's whatever it says.
    """

    name: str
    batch: int
    step: str
    generator: Layers
    discriminator: Layers
    image: Shape
    optimizer: Adam | RMSprop
    loss: str = "logits"
    latent: int = 100
    noise: str = "normal"
    low: float = -1.0
    std: float | None = None
    calm: float = 1.0
    """The learning rate that parity is checked with, over that of training: below 1 where training
    makes so much of rounding errors that PyTorch in one memory layout soon leaves the other."""

    @property
    def convolutional(self) -> bool:
        """Whether there is any convolution in it."""
        kinds = (Conv, ConvTransposed)
        return any(isinstance(x, kinds) for x in (*self.generator, *self.discriminator))

    @property
    def joinable(self) -> bool:
        """Whether the discriminator may judge real and fake in one batch: it has no batch norm."""
        return not any(isinstance(layer, BatchNorm) for layer in self.discriminator)

    def for_parity(self) -> Workload:
        """The same with no element dropped, and with the learning rate calmed."""

        def still(layers: Layers) -> Layers:
            return tuple(Dropout(0.0) if isinstance(x, Dropout) else x for x in layers)

        return dataclasses.replace(
            self,
            generator=still(self.generator),
            discriminator=still(self.discriminator),
            optimizer=dataclasses.replace(self.optimizer, lr=self.calm * self.optimizer.lr),
        )

    def named(self, name: str) -> Workload:
        """The same under that name."""
        return dataclasses.replace(self, name=name)

    def weights(self) -> tuple[Weights, Weights]:
        """The generator's and the discriminator's first weights."""
        rng = np.random.default_rng(1)
        return (
            draw_weights(self.generator, (self.latent,), rng, self.std),
            draw_weights(self.discriminator, self.image, rng, self.std),
        )

    def data(self, k: int) -> tuple[np.ndarray, ...]:
        """The k-th batch.

        Real images, and fake ones for a critic; none for sampling; an input and the gradient of
        its result for a layer; the gradients of parameters for an optimiser.
        """
        rng = np.random.default_rng((2, k % POOL))
        if self.step == "optimizer":
            return tuple(
                rng.normal(size=array.shape).astype("float32")
                for held in self.weights()[1]
                for array in held.values()
            )
        if self.step == "layer":
            sizes = self.image, shapes(self.discriminator, self.image)[-1]
            return tuple(rng.normal(size=(self.batch, *size)).astype("float32") for size in sizes)
        count = {"critic": 2, "sample": 0}.get(self.step, 1)
        return tuple(self._batch(rng).astype("float32") for _ in range(count))

    def _batch(self, rng: np.random.Generator) -> np.ndarray:
        if self.image == (2,):  # eight Gaussians on the unit circle
            angle = rng.integers(8, size=self.batch) * (2 * np.pi / 8)
            centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            return centres + rng.normal(0, 0.05, centres.shape)
        return rng.uniform(self.low, 1, (self.batch, *self.image))

    def draws(self, k: int) -> np.ndarray:
        """All that the k-th step draws but dropout, a row for each sample: noise or places."""
        rng = np.random.default_rng((3, k))
        if self.step == "critic":
            return rng.uniform(0, 1, (self.batch, 1)).astype("float32")
        rows = self.batch * (2 if self.step == "alternating" else 1)
        size = (rows, self.latent)
        uniform = self.noise == "uniform"
        return (rng.uniform(-1, 1, size) if uniform else rng.normal(size=size)).astype("float32")


def mlp(batch: int = 100, width: float = 1) -> Workload:
    """Two dense layers against two, cross-entropy on probabilities."""
    hidden = _scaled(128, width)
    return Workload(
        name="mlp",
        batch=batch,
        step="alternating",
        generator=(Dense(hidden), ReLU(), Dense(784), Reshape(28, 28, 1), Sigmoid()),
        discriminator=(Flatten(), Dense(hidden), ReLU(), Dense(1), Sigmoid()),
        image=(28, 28, 1),
        optimizer=Adam(2e-4),
        loss="probabilities",
        low=0.0,
    )


def dcgan28(batch: int = 128, width: float = 1, channels: int = 1) -> Workload:
    """DCGAN at 28×28 in grey, both networks updated from one forward pass."""
    return Workload(
        name="dcgan28",
        batch=batch,
        step="simultaneous",
        generator=_dcgan28_generator(width, channels),
        discriminator=_dcgan28_discriminator(width, 0.3),
        image=(28, 28, channels),
        optimizer=Adam(4e-4, beta1=0.0),
    )


def _dcgan28_generator(width: float, channels: int) -> Layers:
    a, b, c = (_scaled(n, width) for n in (256, 128, 64))
    return (
        *(Dense(7 * 7 * a, bias=False), BatchNorm(), LeakyReLU(0.3), Reshape(7, 7, a)),
        *(ConvTransposed(b, 5, 1, bias=False), BatchNorm(), LeakyReLU(0.3)),
        *(ConvTransposed(c, 5, 2, bias=False), BatchNorm(), LeakyReLU(0.3)),
        *(ConvTransposed(channels, 5, 2, bias=False), Tanh()),
    )


def _dcgan28_discriminator(width: float, dropout: float | None) -> Layers:
    layers: list[Layer] = []
    for filters in (64, 128):
        layers += [Conv(_scaled(filters, width), 5, 2), LeakyReLU(0.3)]
        layers += [] if dropout is None else [Dropout(dropout)]
    return (*layers, Flatten(), Dense(1))


def dcgan28_color(batch: int = 128, width: float = 1) -> Workload:
    """The same networks in colour, alternating updates, RMSprop."""
    return dataclasses.replace(
        dcgan28(batch, width, channels=3),
        name="dcgan28-color",
        step="alternating",
        optimizer=RMSprop(2e-4, rho=0.5),
    )


def upsampling28(batch: int = 32, width: float = 1) -> Workload:
    """A generator that enlarges by repeating pixels, 7·2² pixels wide."""
    return upsampling(batch, width, base=7, doublings=2, name="upsampling28")


def upsampling64(batch: int = 8, width: float = 1) -> Workload:
    """The same, 8·2³ pixels wide."""
    return upsampling(batch, width, base=8, doublings=3, name="upsampling64")


def upsampling(batch: int, width: float, base: int, doublings: int, name: str = "") -> Workload:
    """Images of ``base``·2^``doublings`` pixels a side."""
    n = _scaled(128, width)
    first = _scaled(64, width)
    bent = (LeakyReLU(0.2), BatchNorm(0.8))
    judge: list[Layer] = [Conv(first, 3), LeakyReLU(0.2)]
    for filters in (2 * first, 4 * first, 8 * first):
        judge += [Conv(filters, 3), BatchNorm(0.8), LeakyReLU(0.2)]
    return Workload(
        name=name,
        batch=batch,
        step="alternating",
        generator=(
            *(Dense(base * base * n), *bent, Reshape(base, base, n)),
            *((Upsample(), Conv(n, 3), *bent) * doublings),
            *(Conv(3, 3), Tanh()),
        ),
        discriminator=(*judge, GlobalAverage(), Dense(1), Sigmoid()),
        image=(base * 2**doublings, base * 2**doublings, 3),
        optimizer=Adam(2e-4, beta1=0.5),
        loss="halved",
        noise="uniform",
        calm=0.1,
    )


def dcgan64(batch: int = 32, width: float = 1) -> Workload:
    """DCGAN at 64×64 as published (Radford, Metz and Chintala, 2016), in full width."""
    wide = [_scaled(n, width) for n in (1024, 512, 256, 128)]
    enlarge: list[Layer] = []
    for n in wide[1:]:
        enlarge += [ConvTransposed(n, 5, 2, bias=False), BatchNorm(), ReLU()]
    judge: list[Layer] = [Conv(wide[-1], 5, 2), LeakyReLU(0.2)]
    for n in wide[-2::-1]:
        judge += [Conv(n, 5, 2, bias=False), BatchNorm(), LeakyReLU(0.2)]
    return Workload(
        name="dcgan64",
        batch=batch,
        step="alternating",
        generator=(
            *(Dense(4 * 4 * wide[0], bias=False), BatchNorm(), ReLU(), Reshape(4, 4, wide[0])),
            *enlarge,
            *(ConvTransposed(3, 5, 2), Tanh()),
        ),
        discriminator=(*judge, Flatten(), Dense(1)),
        image=(64, 64, 3),
        optimizer=Adam(2e-4, beta1=0.5),
        std=0.02,
        calm=0.01,
    )


def wgan_gp28(batch: int = 64, width: float = 1) -> Workload:
    """A critic's step with a gradient penalty: DCGAN-28's discriminator without dropout."""
    return Workload(
        name="wgan-gp28",
        batch=batch,
        step="critic",
        generator=(),
        discriminator=_dcgan28_discriminator(width, None),
        image=(28, 28, 1),
        optimizer=Adam(1e-4, beta1=0.0, beta2=0.9),
    )


def sample(batch: int = 1024, width: float = 1) -> Workload:
    """Images from DCGAN-28's generator."""
    return dataclasses.replace(
        dcgan28(batch, width), name="sample", step="sample", discriminator=()
    )


def ring(batch: int = 512, width: float = 1, layers: int = 3) -> Workload:
    """Points in the plane: three hidden layers in both networks, or as many as ``layers``."""
    hidden = (Dense(_scaled(128, width)), ReLU()) * layers
    return Workload(
        name="ring",
        batch=batch,
        step="alternating",
        generator=(*hidden, Dense(2)),
        discriminator=(*hidden, Dense(1)),
        image=(2,),
        optimizer=Adam(1e-3),
        latent=2,
    )


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


WORKLOADS: dict[str, tuple[Callable[..., Workload], tuple[int, ...]]] = {
    "mlp": (mlp, (100,)),
    "dcgan28": (dcgan28, (64, 128)),
    "dcgan28-color": (dcgan28_color, (128,)),
    "upsampling28": (upsampling28, (32,)),
    "upsampling64": (upsampling64, (8,)),
    "dcgan64": (dcgan64, (32,)),
    "wgan-gp28": (wgan_gp28, (64,)),
    "sample": (sample, (1024,)),
    "ring": (ring, (512,)),
}
"""Each workload by name: what makes it, and the batch sizes that it is timed at."""


def named(names: list[str]) -> list[Workload]:
    """The workloads of these names, one for each of their batch sizes."""
    chosen = (WORKLOADS[name] for name in names)
    return [make(batch) for make, sizes in chosen for batch in sizes]
