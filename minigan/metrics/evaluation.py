"""Named metrics over one source of features, each beside what real images score in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from ..data import Images
from ..data.mixtures import Mixture
from ..errors import nearest
from ..random import Stream
from .checks import Array, Estimate, check_scales, comparable
from .frechet import frechet_distance
from .kernel import kernel_distance
from .manifold import nearest_distance, neighbours
from .modes import REACH, Modes, label_modes, mixture_modes
from .scores import Predict, classification_accuracy, classifier_score
from .ssim import mean_similarity
from .wasserstein import patch_wasserstein, sliced_wasserstein

_A_PART = 1000  # samples, at least, in each part that a mean is over
_PARTS = 10

Sees = Literal["features", "probabilities", "images"]


class Source(Protocol):
    """Where features are from; a :class:`Classifier` is one, :class:`FeatureSource` makes one."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> Callable[[Array], Array]: ...

    @property
    def probabilities(self) -> Callable[[Array], Array] | None: ...


class FeatureSource(NamedTuple):
    """Any function of images (N, H, W, C) in [−1, 1] to features (N, D), by a name for results.

    ``probabilities``, to (N, classes), is what the metrics of classes need.
    """

    name: str
    features: Callable[[Array], Array]
    probabilities: Callable[[Array], Array] | None = None


PIXELS = FeatureSource("pixels", lambda images: images.reshape(len(images), -1))
"""The images themselves, flattened."""


class Metric(NamedTuple):
    """A function of (real, fake), both given by name, and what of the images it is shown."""

    function: Callable[..., Any]
    sees: Sees
    protocol: str  # with {parts} for how many a mean is over
    better: Literal["higher", "lower", "as real"]
    field: str | None = None
    """Which of several figures that the function returns together."""


class Result(NamedTuple):
    """A figure and how it was got.

    Attributes:
        metric: its name, in :data:`METRICS` or of a function by itself.
        value: of the fakes against the real images.
        real_value: of real images in the fakes' place: what a perfect generator would score.
        error: the standard error of ``value`` over ``parts``, NaN where there is one part.
        parts: what the value is a mean over; 1 where it is no mean.
        samples: how many real images and fakes.
        real_samples: how many real images, and how many in the fakes' place.
        split: which images ``real_value`` compares.
        source: where the features are from.
        protocol: the settings that another value must share to be compared with this one.
        better: what to wish for: "higher", "lower", or "as real": near to ``real_value``.
    """

    metric: str
    value: float
    real_value: float
    error: float
    parts: int
    samples: tuple[int, int]
    real_samples: tuple[int, int]
    split: str
    source: str
    protocol: str
    better: str


def _parts(*sets: Array) -> int:
    return max(1, min(_PARTS, *(len(x) // _A_PART for x in sets)))


def _score(*, real: Array, fake: Array) -> Estimate:
    return classifier_score(fake, _parts(fake))


def _modes(*, real: Array, fake: Array) -> Any:
    return label_modes(fake.argmax(1), fake.shape[1])


def _kernel(*, real: Array, fake: Array) -> Estimate:
    return kernel_distance(real=real, fake=fake, blocks=_parts(real, fake))


def _similarity(*, real: Array, fake: Array) -> Estimate:
    return mean_similarity(fake)


def _patches(*, real: Array, fake: Array) -> Estimate:
    return patch_wasserstein(real=real, fake=fake, patches=16)


METRICS: dict[str, Metric] = {
    "classifier_score": Metric(_score, "probabilities", "parts: {parts}", "higher"),
    "classes": Metric(_modes, "probabilities", "top class", "higher", "captured"),
    "class_kl": Metric(_modes, "probabilities", "top class, nats", "lower", "reverse_kl"),
    "frechet_distance": Metric(frechet_distance, "features", "squared", "lower"),
    "kernel_distance": Metric(_kernel, "features", "cubic kernel, blocks: {parts}", "lower"),
    "precision": Metric(neighbours, "features", "k = 5", "higher", "precision"),
    "recall": Metric(neighbours, "features", "k = 5", "higher", "recall"),
    "density": Metric(neighbours, "features", "k = 5", "higher", "density"),
    "coverage": Metric(neighbours, "features", "k = 5", "higher", "coverage"),
    "nearest_distance": Metric(nearest_distance, "features", "median", "as real"),
    "sliced_wasserstein": Metric(sliced_wasserstein, "features", "directions: {parts}", "lower"),
    "patch_wasserstein": Metric(
        _patches, "images", "x1000, 16 patches of 7x7 an image, scales: {parts}", "lower"
    ),
    "ms_ssim": Metric(_similarity, "images", "pairs: {parts}", "as real"),
}
"""Every metric that ``evaluate`` knows, by name."""


def evaluate(
    *,
    real: Array | Images,
    fake: Array | Images,
    held_out: Array | Images | None = None,
    source: Source = PIXELS,
    metrics: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[Iterable[str]], Iterable[str]] | None = None,
) -> list[Result]:
    """What ``metrics`` say of ``fake`` against ``real``, and of real images against ``real``.

    Args:
        real, fake: images (N, H, W, C), floats in [−1, 1] or whatever the source takes, or
            ``Images``, which are scaled to [−1, 1]. Both must be on one scale.
        held_out: real images that take the fakes' place for ``real_value``, as many as the fakes
            if the two are to be compared. Without them one half of ``real`` is compared with the
            other.
        source: where features are from: :data:`PIXELS`, a classifier, any :class:`FeatureSource`.
        metrics: names in :data:`METRICS`; by default all that need features, and, if the source
            gives them, probabilities.
        seed: of the halves.
        progress: wraps the metrics' names, as ``tqdm.tqdm`` does.
    """
    names = _names(metrics, source)
    given = {"real": real, "fake": fake, "held_out": held_out}
    wanted = {what: x for what, x in given.items() if x is not None or what != "held_out"}
    sets = {what: comparable(what, x) for what, x in wanted.items()}
    for what, images in sets.items():
        if not len(images):
            raise ValueError(f"{what}: got no images")
        if images.shape[1:] != sets["real"].shape[1:]:
            shapes = f"{images.shape[1:]}, wanted {sets['real'].shape[1:]}"
            raise ValueError(f"{what}: got images of shape {shapes}, as those of real are")
        if not np.isfinite(images).all():
            raise ValueError(f"{what}: got images with NaN or infinity")
    check_scales(sets)
    split = "halves of real" if held_out is None else "real, held out"
    views = {
        sees: _view(_function(source, sees), **sets, seed=seed)
        for sees in dict.fromkeys(METRICS[name].sees for name in names)
    }
    figures: dict[Any, list[Any]] = {}  # some functions give several figures at once
    results = []
    for name in names if progress is None else progress(names):
        metric = METRICS[name]
        pairs = views[metric.sees]
        if metric.function not in figures:
            figures[metric.function] = _measured(name, pairs, split)
        value, real_value = (_estimate(found, metric.field) for found in figures[metric.function])
        samples, real_samples = ((len(a), len(b)) for a, b in pairs)
        origin = "images" if metric.sees == "images" else source.name
        protocol = metric.protocol.format(parts=value.parts)
        results.append(
            Result(
                name, value.value, real_value.value, value.error, value.parts, samples,
                real_samples, split, origin, protocol, metric.better,
            )
        )  # fmt: skip
    return results


def evaluate_classification(
    *,
    real: Images,
    fake: Images,
    train: Callable[[Images], Predict],
    held_out: Images | None = None,
    seed: int = 0,
) -> Result:
    """What ``classification_accuracy`` says of ``fake``, and of real images in its place.

    It is none of :data:`METRICS`, as it wants labels and a classifier to ``train``, twice here.

    Args:
        real, fake: images with labels: to be recognised, and to learn from.
        train: as ``classification_accuracy`` has it.
        held_out: real images that take the fakes' place, as many as the fakes if the two are to be
            compared. Without them one half of ``real`` is recognised by what learnt from the other.
        seed: of the halves.
    """
    if held_out is None:
        others = _halves(len(real), seed)
        split, place = "halves of real", (real.take(others[0]), real.take(others[1]))
    else:
        split, place = "real, held out", (real, held_out)
    pairs = (real, fake), place
    value, real_value = (classification_accuracy(real=a, fake=b, train=train) for a, b in pairs)
    samples, real_samples = ((len(a), len(b)) for a, b in pairs)
    return Result(
        "classification_accuracy", value, real_value, math.nan, 1, samples, real_samples, split,
        "a classifier that learnt from them", "top class", "higher",
    )  # fmt: skip


def evaluate_mixture(points: Array, mixture: Mixture, seed: int = 0) -> list[Result]:
    """What ``mixture_modes`` says of ``points`` (N, D), and of as many of the mixture's own.

    They are none of :data:`METRICS`, as they want modes that are known.

    Args:
        points: what a generator makes.
        mixture: what it learnt from.
        seed: of the mixture's points.
    """
    made = mixture_modes(points, mixture)
    own = mixture_modes(mixture.sample(len(points), seed), mixture)
    samples, protocol = (0, len(points)), f"within {REACH:g} standard deviations"
    better = {"captured": "higher", "high_quality": "as real", "reverse_kl": "lower"}
    return [
        Result(
            f"modes_{name}", float(value), float(real_value), math.nan, 1, samples, samples,
            "the mixture's own", "points", protocol, better[name],
        )
        for name, value, real_value in zip(Modes._fields, made, own, strict=True)
    ]  # fmt: skip


def _names(metrics: Sequence[str] | None, source: Source) -> list[str]:
    """The metrics asked for, all of which there are and can be had from ``source``."""
    if not hasattr(source, "features"):
        raise TypeError(
            f"source: got {source!r}, wanted PIXELS, a classifier or FeatureSource(name, function)"
        )
    if isinstance(metrics, str):
        raise TypeError(f"metrics: got {metrics!r}, wanted a list of names such as [{metrics!r}]")
    has_classes = source.probabilities is not None
    if metrics is None:
        unseen = ("images",) if has_classes else ("images", "probabilities")
        return [name for name, metric in METRICS.items() if metric.sees not in unseen]
    for name in metrics:
        if name not in METRICS:
            raise ValueError(
                f"metrics: got {name!r}{nearest(name, METRICS)}, wanted some of "
                f"{', '.join(METRICS)}"
            )
        if METRICS[name].sees == "probabilities" and not has_classes:
            raise ValueError(
                f"metrics: {name} needs class probabilities, which {source.name!r} does not give; "
                "use a classifier as the source, or leave it out"
            )
    return list(metrics)


def _function(source: Source, sees: Sees) -> Callable[[Array], Array]:
    if sees == "probabilities" and source.probabilities is not None:
        return source.probabilities
    return source.features if sees == "features" else lambda images: images


def _view(
    function: Callable[[Array], Array],
    real: Array,
    fake: Array,
    held_out: Array | None = None,
    *,
    seed: int,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Real images and fakes, and real images and such in the fakes' place, as ``function`` sees."""
    whole = function(real)
    if held_out is not None:
        return (whole, function(fake)), (whole, function(held_out))
    ours, theirs = _halves(len(real), seed)
    return (whole, function(fake)), (whole[ours], whole[theirs])


def _halves(count: int, seed: int) -> tuple[Array, Array]:
    """The places of so many samples in one half and in the other."""
    if count < 2:
        raise ValueError(f"real: got {count}, wanted at least 2, to compare one half with one")
    order = Stream(seed, "halves").permutation(count)
    return order[count // 2 :], order[: count // 2]


def _measured(name: str, pairs: Sequence[tuple[Array, Array]], split: str) -> list[Any]:
    """The metric of each pair; what it can't take is told with the pair that it was."""
    found = []
    for (a, b), what in zip(pairs, ("fake against real", split), strict=True):
        try:
            found.append(METRICS[name].function(real=a, fake=b))
        except ValueError as error:
            raise ValueError(
                f"{name} of {what}: {error}; give more images, or leave {name} out of metrics"
            ) from error
    return found


def _estimate(found: Any, field: str | None) -> Estimate:
    if isinstance(found, Estimate):
        return found
    return Estimate(float(found if field is None else getattr(found, field)), math.nan, 1)
