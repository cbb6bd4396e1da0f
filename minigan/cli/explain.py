"""``minigan explain``: pictures of what a run's networks have learnt, and of how it went."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Images
from ..gan import Codes, Trainer, inside
from ..gan.conditioning import labels_for
from ..gan.heads import images_together
from ..metrics.manifold import squared_distances
from ..nn import Conv2D, Conv2DTranspose, Dense, Module, Reshape
from .config import Config, images_of, with_images
from .folder import EXPLAINED, RunFolder
from .inspect import existing
from .pictures import levels, save_norms
from .sheets import Block, across, save_film, save_sheet, signed
from .train import made_trainer
from .words import compact, require

_FILTERS = 48  # of a layer, where each is a picture of its own
_SEEN = 2  # real and generated images that activations are shown of
_AXES = 12  # numbers of noise that are walked along one by one; of more, the best directions
_DIRECTIONS = 10
_AVERAGED = 2  # noise vectors that a direction's effect is measured at
_PAIRS = 6
_AT_A_TIME = 1 << 20  # numbers of the data that samples are compared with


class Nothing(Exception):
    """There is nothing to draw such a picture of, and why."""


def explain(asked: argparse.Namespace) -> int:
    """Run ``minigan explain``."""
    require("PIL", "matplotlib")
    source = existing(asked.run)
    if not source.is_dir():
        raise NotADirectoryError(f"{asked.run!r} is a file, wanted the folder of a run")
    run = Trained(RunFolder(source), asked.data)
    out = RunFolder(Path(asked.out) if asked.out else source / "explain")
    out.make()
    for name, draw in zip(EXPLAINED, _PICTURES, strict=True):
        try:
            draw(run, out / name)
        except Nothing as reason:
            print(f"minigan: no {name}: {reason}", file=sys.stderr)
        else:
            print(out / name, flush=True)
    return 0


class Trained:
    """A run as its state left it, and the images and noise that its pictures are of."""

    def __init__(self, folder: RunFolder, data: str | None = None) -> None:
        self.folder = folder
        self.config, self.images, self.trainer = _loaded(folder, data)
        self.game, self.generator = self.trainer.game, self.trainer.sampler
        self.title = (
            f"{self.config.recipe}, step {self.trainer.step_count:,}, seed {self.config.seed}"
        )
        self.pack = images_together(self.game.discriminator)
        packs = across(*self.images.shape[:2]) // self.pack
        self.count = self.pack * max(_SEEN, packs)
        self.noise = inside.noise_of(self.generator, self.game.latent, max(2 * _PAIRS, self.count))

    @cached_property
    def real(self) -> tuple[np.ndarray, Any]:
        """Real images from all over the data, and their condition if there is one."""
        chosen = np.linspace(0, len(self.images) - 1, self.count).astype(int)
        low, high = self.trainer.image_range
        images = self.images.batch(chosen, low, high, self.game.dtype)
        labels, conditioning = self.images.labels, self.game.conditioning
        if conditioning is None:
            return images, None
        return images, conditioning.condition(None if labels is None else labels[chosen])

    @cached_property
    def fake(self) -> tuple[np.ndarray, Any]:
        """As many of the first samples, and their condition if there is one."""
        labels = self.labels(self.count)
        return self.generate(self.noise[: self.count], labels), labels

    def labels(self, count: int) -> Any:
        """All classes by turns, in a game with classes."""
        return labels_for(self.game.conditioning, None, count)

    def generate(self, noise: np.ndarray, labels: Any) -> np.ndarray:
        """The images (…, H, W, C) of noise (…, size), each row of it with its label."""
        flat = noise.reshape(-1, noise.shape[-1])
        if labels is not None:
            labels = np.repeat(labels, len(flat) // len(labels))
        made = inside.generate(self.generator, flat, labels)
        return made.reshape(*noise.shape[:-1], *made.shape[1:])

    def tiles(self, images: np.ndarray) -> np.ndarray:
        """Images (…, H, W, C) as uint8 (…, H, W, 3)."""
        return _coloured(levels(images, self.trainer.image_range))


def _loaded(folder: RunFolder, data: str | None) -> tuple[Config, Images, Trainer]:
    """The run's config, images and trainer, at its saved step and on the CPU."""
    config = dataclasses.replace(folder.read_config(), device="cpu")
    if not folder.state.exists():
        raise FileNotFoundError(
            f"{str(folder.state)!r} is missing, so there is no trained network to look into: "
            "train first, or put it back"
        )
    images = images_of(config, data)
    config = with_images(config, images)
    trainer = made_trainer(config, images)
    trainer.load(folder.state, config.identity())
    return config, images, trainer


def _coloured(tiles: np.ndarray) -> np.ndarray:
    return np.broadcast_to(tiles, (*tiles.shape[:-1], 3))


# Filters


def draw_filters(run: Trained, path: Path) -> None:
    """The weights of each network's first convolution, and of dense layers that make images."""
    blocks = []
    networks = {"generator": run.generator, "discriminator": run.game.discriminator}
    inputs = {"generator": (run.noise[:1], run.labels(1)), "discriminator": run.real}
    for owner, network in networks.items():
        names = {id(module): name for name, module in network.named_modules()}
        judged = run.game.judge if owner == "discriminator" else run.generator
        given = [x for x in inputs[owner] if x is not None]
        for module, weight in _first_weights(judged, given):
            caption = f"{owner}, layer {names[id(module)]}: {type(module).__name__}"
            blocks.append(_filters(caption, weight, run.real[0].shape[-1]))
    if not blocks:
        raise Nothing("neither network has a layer whose weights can be seen as images")
    save_sheet(f"{run.title}: filters", blocks, path)


def _first_weights(
    network: Callable[..., Any], inputs: Sequence[np.ndarray]
) -> Iterator[tuple[Module, np.ndarray]]:
    """The weights (h, w, inputs, outputs) of the first convolution and of dense layers before it.

    Only those dense layers count that take the image itself, or make one for a Reshape.
    """
    shape, dense = inputs[0].shape[1:], None
    kinds = (Dense, Reshape, Conv2D, Conv2DTranspose)
    for module, result in inside.activations(network, *inputs, kinds=kinds):
        made = result.shape[1:]
        if isinstance(module, Dense):
            weight = module.weight.numpy()
            if dense is None and len(shape) == 3 and len(weight) == np.prod(shape):
                yield module, weight.reshape(*shape, -1)
            dense = module
        elif isinstance(module, (Conv2D, Conv2DTranspose)):
            weight = module.weight.numpy()
            yield module, weight.swapaxes(2, 3) if isinstance(module, Conv2DTranspose) else weight
            return
        elif dense is not None and len(made) == 3 and dense.units == np.prod(made):
            yield dense, np.moveaxis(dense.weight.numpy().reshape(-1, *made), 0, 2)


def _filters(caption: str, weight: np.ndarray, channels: int) -> Block:
    """Weights (h, w, inputs, outputs) as images: in colour, in grey, or slice by slice.

    They are in colour, or grey, where they take or make images of so many ``channels``.
    """
    height, width, inputs, outputs = weight.shape
    scale = float(np.abs(weight).max())
    columns = across(height, width)
    if channels not in (1, 3) or channels not in (inputs, outputs):
        rows, units = _largest(weight, 2, 8), _largest(weight, 3, columns)
        tiles = signed(weight[:, :, rows][:, :, :, units].transpose(2, 3, 0, 1), scale)
        words = f"{caption}, {height}×{width}; the largest of {inputs} inputs × {outputs} outputs"
        return Block(words, tiles, [f"in {i}" for i in rows], [f"out {k}" for k in units], scale)
    takes = inputs == channels
    images = np.moveaxis(weight, 3, 0) if takes else np.moveaxis(weight, 2, 0)
    shown = images[:_FILTERS]
    end = "filters" if takes else "inputs"
    words = f"{caption}, {height}×{width}; {len(shown)} of {len(images)} {end}"
    is_grey = images.shape[-1] == 1
    tiles = signed(shown[..., 0], scale) if is_grey else levels(shown, (-scale, scale))
    starts = range(0, len(shown), columns)
    return Block(
        words if is_grey else f"{words}, −{scale:.2g} to {scale:.2g}",
        [tiles[i : i + columns] for i in starts],
        [f"{i} to {min(i + columns, len(shown)) - 1}" for i in starts],
        scale=scale if is_grey else None,
    )


def _largest(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    """The indices along an axis of the slices of the largest norm, in their order."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    sizes = np.sum(np.square(values, dtype=np.float64), axis=others)
    return np.sort(np.argsort(-sizes, kind="stable")[:count])


# Samples beside real images


def draw_comparison(run: Trained, path: Path) -> None:
    """Samples, each with the training image nearest to it, and real images to compare them with."""
    samples = run.fake[0]
    found, distances = _nearest(run, samples)
    pairs = [run.tiles(samples), run.tiles(found)]
    words = "samples, each above the training image nearest to it and √(mean of (x − y)²) to that"
    columns = [f"{distance:.2f}" for distance in distances]
    blocks = [
        Block(words, pairs, ["sample", "nearest"], columns),
        Block("real images from all over the data", [run.tiles(run.real[0])], ["real"]),
    ]
    save_sheet(f"{run.title}: samples and real images", blocks, path)


def _nearest(run: Trained, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each sample the image of the data that is nearest by its pixels, and how near."""
    low, high = run.trainer.image_range
    flat = samples.reshape(len(samples), -1).astype(np.float32)
    best, which = np.full(len(flat), np.inf), np.zeros(len(flat), int)
    step = max(1, _AT_A_TIME // flat.shape[1])
    for start in range(0, len(run.images), step):
        chosen = np.arange(start, min(start + step, len(run.images)))
        real = run.images.batch(chosen, low, high).reshape(len(chosen), -1)
        squares = np.concatenate([found for _, found in squared_distances(flat, real)])
        first = squares.argmin(1)
        least = squares[np.arange(len(flat)), first]
        which = np.where(least < best, chosen[first], which)
        best = np.minimum(least, best)
    found = run.images.batch(which, low, high)
    return found, np.sqrt(((samples - found) ** 2).mean(axis=(1, 2, 3)))


# Activations and saliency


def draw_generator(run: Trained, path: Path) -> None:
    """The maps of each of the generator's convolutions, for a few samples."""
    count = min(2 * _SEEN, run.count)
    labels = run.labels(count)
    given = [x for x in (run.noise[:count], labels) if x is not None]
    found = inside.activations(run.generator, *given, kinds=(Conv2D, Conv2DTranspose))
    images = run.tiles(run.fake[0][:count])
    names = [f"sample {i + 1}" for i in range(count)]
    blocks = _maps(run.generator, found, images, names)
    save_sheet(f"{run.title}: the generator's maps", blocks, path)


def draw_discriminator(run: Trained, path: Path) -> None:
    """The maps of each of the discriminator's convolutions, for real and generated images."""
    count = _SEEN * run.pack
    parts = run.real, run.fake
    images = np.concatenate([images[:count] for images, _ in parts])
    labels = [labels[:count] for _, labels in parts if labels is not None]
    given = [images, *([np.concatenate(labels)] if labels else [])]
    found = inside.activations(run.game.judge, *given, kinds=(Conv2D, Conv2DTranspose))
    names = [f"{kind} {i + 1}" for kind in ("real", "sample") for i in range(_SEEN)]
    blocks = _maps(run.game.discriminator, found, run.tiles(images)[:: run.pack], names)
    save_sheet(f"{run.title}: the discriminator's maps", blocks, path)


def _maps(
    network: Module,
    found: Sequence[tuple[Module, np.ndarray]],
    images: np.ndarray,
    rows: Sequence[str],
) -> list[Block]:
    """A block for each layer: its channels that vary most, beside the images."""
    if not found:
        raise Nothing("the network has no 2-d convolution")
    names = {id(module): name for name, module in network.named_modules()}
    blocks = []
    for module, maps in found:
        count = min(across(*images.shape[1:3]), across(*maps.shape[1:3])) - 1
        channels = _largest(maps - maps.mean(axis=(0, 1, 2)), 3, count)
        scale = float(np.abs(maps[..., channels]).max())
        coloured = signed(np.moveaxis(maps[..., channels], 3, 1), scale)
        height, width, depth = maps.shape[1:]
        layer = f"layer {names[id(module)]}: {type(module).__name__} to {height}×{width}×{depth}"
        words = layer + (f"; the {count} channels that vary most" if depth > count else "")
        tiles = [[image, *row] for image, row in zip(images, coloured, strict=True)]
        blocks.append(Block(words, tiles, rows, ["image", *map(str, channels)], scale))
    return blocks


def draw_saliency(run: Trained, path: Path) -> None:
    """Real and generated images, each over the discriminator's gradient at it."""
    parts = {"real images": run.real, "samples": run.fake}
    found = {name: inside.saliency(run.game.judge, *part) for name, part in parts.items()}
    sizes = [np.abs(slope.sum(-1)).ravel() for _, slope in found.values()]
    scale = float(np.quantile(np.concatenate(sizes), 0.99))  # or one pixel makes all others pale
    blocks = []
    for name, (scores, slope) in found.items():
        each = scores.mean(axis=1).repeat(len(slope) // len(scores))
        tiles = [run.tiles(parts[name][0]), signed(slope.sum(-1), scale)]
        words = f"{name}: a brighter pixel raises D(x), above, where red; lowers it where blue"
        scored = [_number(compact(score, 2, "+")) for score in each]
        blocks.append(Block(words, tiles, ["x", "∂D/∂x"], scored, scale))
    title = f"{run.title}: gradient of D's score by the image, to its 99th percentile"
    save_sheet(title, blocks, path)


# Noise


def draw_interpolation(run: Trained, path: Path) -> None:
    """Ways from sample to sample."""
    latent, steps = run.game.latent, _odd(run.count)
    ends = run.noise[: 2 * _PAIRS : 2], run.noise[1 : 2 * _PAIRS : 2]
    way = inside.interpolate(latent, *ends, steps).swapaxes(0, 1)
    labels = run.labels(len(way))
    tiles = run.tiles(run.generate(way, labels))
    rows = [f"{2 * i + 1} to {2 * i + 2}" for i in range(len(way))]
    if labels is not None:
        rows = [f"{row}, class {label}" for row, label in zip(rows, labels, strict=True)]
    columns = [f"{t:.3g}" for t in np.linspace(0, 1, steps)]
    shape = "great circles" if inside.normal_part(latent) else "straight lines"
    words = f"from one sample to another, the noise along {shape}; above, the share of the other"
    title = f"{run.title}: interpolation"
    save_sheet(title, [Block(words, tiles, rows, columns)], path)


def draw_walk(run: Trained, path: Path) -> None:
    """The first sample, with its noise changed along one direction at a time, or its class."""
    latent = run.game.latent
    metric = inside.metric(run.generator, run.noise[:_AVERAGED], run.labels(_AVERAGED))
    walked = [_walk(run, *ways) for ways in _ways(latent, metric)]
    blocks = [*walked, *_codes(run, latent), *_classes(run)]
    save_sheet(f"{run.title}: walks through the noise", blocks, path)


def _walk(run: Trained, names: list[str], change: np.ndarray, ways: np.ndarray) -> Block:
    """Walks along directions whose ranges are alike."""
    steps = _odd(run.count)
    walks = inside.traverse(run.game.latent, run.noise[0], ways, steps)
    rows = [f"{name}  {compact(size, 2)}" for name, size in zip(names, change, strict=True)]
    reach = inside.span(run.game.latent)[1] @ ways[0] ** 2
    at = [_number(f"{t:.3g}") for t in np.linspace(-reach, reach, steps)]
    words = "sample 1, moved along one direction to this distance from the middle; "
    words += "beside each, ‖∂x/∂z‖"
    return Block(words, run.tiles(run.generate(walks, run.labels(1))), rows, at)


def _ways(latent: Any, metric: np.ndarray) -> Iterator[tuple[list[str], np.ndarray, np.ndarray]]:
    """Names, effects and unit vectors of the directions to walk along: noise, continuous codes."""
    count = latent.noise if isinstance(latent, Codes) else latent.size
    effects, ways = np.sqrt(np.diag(metric)), np.eye(latent.size)
    kind, shown = "number", count
    if count > _AXES:
        kind, shown = "direction", _DIRECTIONS
        effects[:count], ways[:count, :count] = inside.directions(metric[:count, :count])
    if count:
        yield [f"noise {kind} {k + 1}" for k in range(shown)], effects[:shown], ways[:shown]
    if isinstance(latent, Codes) and latent.continuous:
        names = [f"continuous code {k + 1}" for k in range(latent.continuous)][:_AXES]
        last = slice(latent.size - latent.continuous, None)
        yield names, effects[last][:_AXES], ways[last][:_AXES]


def _codes(run: Trained, latent: Any) -> Iterator[Block]:
    """The same noise with one value after the other of each categorical code, if there are any."""
    if not isinstance(latent, Codes):
        return
    for which, classes in enumerate(latent.categorical):

        def make(noise: np.ndarray, values: np.ndarray, which: int = which) -> np.ndarray:
            return run.generate(latent.told(noise, values, which), run.labels(1))

        name = f"c{which + 1}"
        yield _alike(run, f"with every value of the code {name}", f"{name} = ", classes, make)


def _classes(run: Trained) -> list[Block]:
    """The same noise in one class after the other, in a game with classes."""
    if run.game.conditioning is None:
        return []
    return [_alike(run, "in every class", "class ", run.game.conditioning.classes, run.generate)]


def _alike(
    run: Trained,
    what: str,
    label: str,
    classes: int,
    make: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Block:
    """A row for each noise, a column for each class: images by ``make`` of noise and classes."""
    count = min(run.count, classes)
    noise = run.noise[:_PAIRS]
    flat = make(np.repeat(noise, count, axis=0), np.tile(np.arange(count), len(noise)))
    words = f"the same noise {what}"
    if count < classes:
        words += f": the first {count} of {classes}"
    tiles = run.tiles(flat.reshape(len(noise), count, *flat.shape[1:]))
    rows = [f"noise {i + 1}" for i in range(len(noise))]
    return Block(words, tiles, rows, [f"{label}{k}" for k in range(count)])


def _number(text: str) -> str:
    """A number with the minus sign that it has in print."""
    return text.replace("-", "−")


def _odd(count: int) -> int:
    """At most ``count``, with one in the middle."""
    return count - 1 + count % 2


# Training


def draw_training(run: Trained, path: Path) -> None:
    """How large gradients and weights were."""
    log = [line for line in run.folder.read_log() if "generator_gradient" in line]
    if not log:
        raise Nothing("the log has no gradients")
    save_norms(log, f"{run.title}: gradients and weights", path)


def draw_film(run: Trained, path: Path) -> None:
    """The pictures that training drew, one after the other."""
    pictures = run.folder.pictures()
    if not pictures:
        raise Nothing("there are no pictures of training, which draws one every sample_every steps")
    save_film([(f"step {step:,}", source) for step, source in pictures], path)


_PICTURES: tuple[Callable[[Trained, Path], None], ...] = (
    draw_comparison,
    draw_filters,
    draw_generator,
    draw_discriminator,
    draw_saliency,
    draw_interpolation,
    draw_walk,
    draw_training,
    draw_film,
)
"""What draws each of ``EXPLAINED``."""
