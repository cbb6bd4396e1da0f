"""A GAN on eight Gaussians in a ring, drawn with the discriminator's field.

Two small dense networks play for points in the plane. The picture shows real points, generated
points, and behind them D(x), the discriminator's belief that a point is real.

    python examples/ring.py [--steps 3000] [--out ring.png]        needs the extra "cli"
"""

import argparse
import sys
from functools import partial

import numpy as np

import minigan as mg
from minigan import gan, nn, optim


def ring(count: int, seed: int) -> np.ndarray:
    """Points of eight Gaussians (σ = 0.05) on the unit circle, as 1 × 1 images of 2 channels."""
    stream = mg.random.Stream(seed, "ring")
    angle = stream.integers(8, count) * (2 * np.pi / 8)
    centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = centres + stream.normal((count, 2), std=0.05)
    return points.astype(np.float32).reshape(count, 1, 1, 2)


def networks(width: int = 64) -> tuple[nn.Module, nn.Module]:
    """Three hidden layers each."""

    def hidden() -> list[nn.Module]:
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Dense(width, init="he_normal"), nn.LeakyReLU(0.2)]
        return layers

    generator = nn.Sequential(*hidden(), nn.Dense(2), nn.Reshape(1, 1, 2))
    discriminator = nn.Sequential(nn.Flatten(), *hidden(), nn.Dense(1))
    return generator, discriminator


def train(steps: int, seed: int = 0, progress=None) -> gan.Trainer:
    """Train on fresh points: an endless stream of batches serves as the data."""
    game = gan.Game(*networks(), "non_saturating", gan.Normal(2), image_range=(-1.5, 1.5))
    trainer = gan.Trainer(game, seed=seed, optimizers=optim.Adam(1e-3, beta1=0.5), average=0.99)
    batches = (ring(256, step) for step in range(steps))
    trainer.fit(batches, steps, progress=progress)
    return trainer


def captured(points: np.ndarray) -> int:
    """How many of the eight modes have a point within three σ."""
    angles = np.arange(8) * (2 * np.pi / 8)
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    distance = np.linalg.norm(points[:, None] - centres, axis=2)
    return int((distance < 0.15).any(axis=0).sum())


def draw(trainer: gan.Trainer, path: str) -> None:
    """Real and generated points over the discriminator's field."""
    from matplotlib.figure import Figure

    axis = np.linspace(-1.6, 1.6, 161, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 1, 1, 2)
    with mg.no_grad(), nn.training(False):
        field = mg.sigmoid(trainer.game.discriminator(grid)).numpy().reshape(161, 161)
    real, fake = ring(500, 10**6).reshape(-1, 2), trainer.sample(500).reshape(-1, 2)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.add_subplot(aspect="equal", title=f"A ring after {trainer.step_count} steps")
    shades = axes.contourf(axis, axis, field, levels=np.linspace(0, 1, 21), cmap="RdBu")
    figure.colorbar(shades, label="D(x), belief that x is real", ticks=[0, 0.5, 1])
    axes.scatter(*real.T, s=8, color="black", label="real", alpha=0.6, linewidths=0)
    axes.scatter(*fake.T, s=8, color="gold", label="generated", alpha=0.9, linewidths=0)
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", default="ring.png")
    arguments = parser.parse_args()
    try:
        import matplotlib  # noqa: F401, before the training that it is to draw
        from tqdm import tqdm
    except ImportError as error:
        sys.exit(f"this example needs {error.name}{mg.errors.of_extra('cli')}")
    interval = 0.1 if sys.stderr.isatty() else 10  # into a file, each update is a line
    trainer = train(arguments.steps, progress=partial(tqdm, mininterval=interval))
    draw(trainer, arguments.out)
    modes = captured(trainer.sample(500).reshape(-1, 2))
    print(f"{modes} of 8 modes captured; drawn in {arguments.out}")


if __name__ == "__main__":
    main()
