"""The steps of the workloads as functions from state to state, and the runner that takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import networks as n
from ..workloads import PENALTY, Adam, Workload
from .functional import Array, Arrays, Network, Package, State, forward, masks, split

FLOOR = 1e-7
"""What is added to a probability before its logarithm."""


class Play:
    """The steps of one workload as functions (state, batch, draws) -> state, result."""

    def __init__(self, package: Package, workload: Workload, way: str) -> None:
        self.package, self.workload, self.way = package, workload, way

    def alternating(self, state: State, batch: Arrays, draws: Array | None) -> tuple[State, Any]:
        """The discriminator's move, then the generator's."""
        random, (real,) = self.package.random(state), batch
        fake, found = self.generate(state, state.generator.trained, draws, random)
        fake = self.package.detached(fake)
        state = state._replace(generator=self.kept(state.generator, found, self.workload.generator))
        first, judge = self.judged(state, real, fake, random)
        state = self.move(state, "discriminator", judge)
        rest = None if draws is None else draws[self.workload.batch :]

        def loss(trained: Arrays) -> tuple[Array, Any]:
            made, of_made = self.generate(state, trained, rest, random)
            score, of_fake = self.score(state.discriminator.trained, made, self.masks(random))
            return self.generator_loss(score), (of_made, of_fake)

        second, pull, (of_made, of_fake) = self.package.pullback(loss, state.generator.trained)
        state = self.move(state, "generator", (pull(self.one(second)), of_made))
        judge_kept = self.kept(state.discriminator, of_fake, self.workload.discriminator)
        return self.done(state._replace(discriminator=judge_kept)), (first, second)

    def simultaneous(self, state: State, batch: Arrays, draws: Array | None) -> tuple[State, Any]:
        """Both gradients at the same weights, then both moves.

        The generator runs once: its gradient is pulled back from that of its images. The
        discriminator judges these again with its weights held fast, so that none of their
        gradients is taken twice; a compiler shares what is common to the two.
        """
        random, (real,) = self.package.random(state), batch

        def make(trained: Arrays) -> tuple[Array, Arrays]:
            return self.generate(state, trained, draws, random)

        fake, pull, of_made = self.package.pullback(make, state.generator.trained)
        images, drop = self.package.detached(fake), self.masks(random)
        first, judge = self.judged(state, real, images, random, drop)

        def loss(x: Array) -> tuple[Array, Arrays]:
            score, found = self.score(state.discriminator.trained, x, drop)
            return self.generator_loss(score), found

        second, to_images, _ = self.package.pullback(loss, images)
        gradients = pull(to_images(self.one(second)))
        state = self.move(state, "generator", (gradients, of_made))
        return self.done(self.move(state, "discriminator", judge)), (first, second)

    def critic(self, state: State, batch: Arrays, draws: Array | None) -> tuple[State, Any]:
        """E s(fake) − E s(real) + 10·E(‖∇s(x̂)‖ − 1)², x̂ on the lines between real and fake."""
        (real, fake), numpy = batch, self.package.numpy
        places = self.package.random(state).uniform((len(real), 1)) if draws is None else draws
        between = fake + places.reshape((-1, 1, 1, 1)) * (real - fake)

        def loss(trained: Arrays) -> tuple[Array, Arrays]:
            def score(x: Array) -> tuple[Array, Arrays]:
                return self.score(trained, x, ())

            total, pull, _ = self.package.pullback(score, between)
            slope = pull(numpy.ones_like(total))
            norms = numpy.sqrt((slope * slope).sum((1, 2, 3)))
            of_real, of_fake = self.both(trained, real, fake)[0]
            penalty = ((norms - 1) * (norms - 1)).mean()
            return PENALTY * penalty + of_fake.mean() - of_real.mean(), ()

        value, pull, found = self.package.pullback(loss, state.discriminator.trained)
        return self.done(self.move(state, "discriminator", (pull(self.one(value)), found))), (
            value,
        )

    def sample(self, state: State, batch: Arrays, draws: Array | None) -> tuple[State, Any]:
        """Images in evaluation mode, as many at a time as ``way`` says."""
        z, made = self.noise(draws, self.package.random(state)), []
        for k in range(0, self.workload.batch, int(self.way)):
            rows, network = z[k : k + int(self.way)], state.generator
            with self.package.untracked():
                images, _ = forward(
                    self.package,
                    self.workload.generator,
                    network.trained,
                    rows,
                    running=network.running,
                )
            made.append(images)
        return self.done(state), self.package.numpy.concatenate(made)

    # Parts of steps

    def noise(self, draws: Array | None, random: Any) -> Array:
        if draws is not None:
            return draws[: self.workload.batch]
        size = self.workload.batch, self.workload.latent
        return (
            2 * random.uniform(size) - 1
            if self.workload.noise == "uniform"
            else random.normal(size)
        )

    def generate(
        self, state: State, trained: Arrays, draws: Array | None, random: Any
    ) -> tuple[Array, Arrays]:
        return forward(self.package, self.workload.generator, trained, self.noise(draws, random))

    def masks(self, random: Any, batches: int = 1) -> list[Array]:
        w = self.workload
        return masks(self.package, w.discriminator, w.image, batches * w.batch, random)

    def score(self, trained: Arrays, x: Array, drop: Sequence[Array]) -> tuple[Array, Arrays]:
        return forward(self.package, self.workload.discriminator, trained, x, drop)

    def both(
        self,
        trained: Arrays,
        real: Array,
        fake: Array,
        random: Any = None,
        drop: Sequence[Array] | None = None,
    ) -> tuple[tuple[Array, Array], Arrays]:
        """The outputs on real and fake images, in one batch or in two, and statistics."""
        count = len(real)
        if self.way == "joined":
            images = self.package.numpy.concatenate([real, fake])
            scores, found = self.score(trained, images, self.masks(random, 2))
            return (scores[:count], scores[count:]), found
        on_real, first = self.score(trained, real, self.masks(random))
        on_fake, second = self.score(trained, fake, self.masks(random) if drop is None else drop)
        return (on_real, on_fake), (*first, *second)

    def judged(
        self,
        state: State,
        real: Array,
        fake: Array,
        random: Any,
        drop: Sequence[Array] | None = None,
    ) -> tuple[Array, tuple[Arrays, Arrays]]:
        """The discriminator's loss; its gradients and statistics."""

        def loss(trained: Arrays) -> tuple[Array, Arrays]:
            scores, found = self.both(trained, real, fake, random, drop)
            return self.discriminator_loss(*scores), found

        value, pull, found = self.package.pullback(loss, state.discriminator.trained)
        return value, (pull(self.one(value)), found)

    def one(self, loss: Array) -> Array:
        return self.package.numpy.ones_like(loss)

    def discriminator_loss(self, real: Array, fake: Array) -> Array:
        if self.workload.loss == "logits":
            softplus = self.package.softplus
            return softplus(-real).mean() + softplus(fake).mean()
        log = self.package.numpy.log
        total = -log(real + FLOOR).mean() - log(1 + FLOOR - fake).mean()
        return total / 2 if self.workload.loss == "halved" else total

    def generator_loss(self, fake: Array) -> Array:
        if self.workload.loss == "logits":
            return self.package.softplus(-fake).mean()
        return -self.package.numpy.log(fake + FLOOR).mean()

    def move(self, state: State, player: str, found: tuple[Arrays, Arrays]) -> State:
        """The state after one player's update by its gradients and its batch norms' statistics."""
        gradients, statistics = found
        network: Network = getattr(state, player)
        trained, slots = self.package.updated(
            self.workload.optimizer, network, gradients, state.count + 1
        )
        moved = network._replace(trained=trained, slots=slots)
        return state._replace(
            **{player: self.kept(moved, statistics, getattr(self.workload, player))}
        )

    def kept(self, network: Network, statistics: Arrays, layers: n.Layers) -> Network:
        """The network with running statistics moved towards these, pass by pass."""
        decays = [x.decay for x in layers if isinstance(x, n.BatchNorm) for _ in "mv"]
        running = network.running
        for k in range(0, len(statistics), max(1, len(running))):
            seen = zip(running, statistics[k:], decays, strict=False)
            running = tuple(old * decay + new * (1 - decay) for old, new, decay in seen)
        return network._replace(running=running)

    def done(self, state: State) -> State:
        return state._replace(count=state.count + 1)


class Runner:
    """A side's runner, of any package."""

    def __init__(
        self, package: Package, workload: Workload, weights: tuple[n.Weights, n.Weights], way: str
    ) -> None:
        self.package = package
        slots = 2 if isinstance(workload.optimizer, Adam) else 1
        networks = [self.network(each, slots) for each in weights]
        self.state = State(*networks, package.count())
        play = Play(package, workload, way)
        self.run = package.compiled(getattr(play, workload.step))

    def network(self, weights: n.Weights, slots: int) -> Network:
        make = self.package.array
        trained, running = split(weights)
        beside = tuple(tuple(make(np.zeros_like(w)) for _ in range(slots)) for w in trained)
        return Network(tuple(map(make, trained)), tuple(map(make, running)), beside)

    def place(self, batch: tuple[np.ndarray, ...]) -> Arrays:
        return tuple(map(self.package.array, batch))

    def step(self, batch: Arrays, draws: np.ndarray | None = None) -> Any:
        given = None if draws is None else self.package.array(draws)
        self.state, result = self.run(self.state, batch, given)
        return self.package.numbers(result)

    def figures(self, result: Any) -> Any:
        if isinstance(result, list):
            return result
        return result.reshape(len(result), -1)[:: max(1, len(result) // 16)].ravel()


def ways(workload: Workload, second_order: bool = True) -> list[str]:
    """The variants of a workload's steps; none of a critic's without second derivatives."""
    if workload.step == "sample":
        return ["64", "256", "1024"]
    if workload.step in ("layer", "optimizer") or (workload.step == "critic" and not second_order):
        return []
    return ["joined", "apart"] if workload.joinable else ["apart"]
