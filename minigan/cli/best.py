"""``minigan train --best METRIC``: the best generator of a run so far, kept beside the last."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from .. import metrics
from ..data import Images
from ..data.images import scaled
from ..files import write_text
from ..gan import Trainer
from ..metrics import METRICS, Source
from .evaluate import classifier_of, some
from .folder import RunFolder
from .words import unknown

_SAMPLES = 1000  # and as many real images, at most
_TOLD = ("metric", "value", "real_value", "better", "source", "protocol")


class Best:
    """Judges the samples of a run from time to time by ``metric``, and remembers the best ones.

    ``best.npz`` is that generator, like ``generator.npz``, and ``best.json`` tells its figure.
    Training is not changed by it. Features are a classifier's, if there is the file of one, or the
    pixels. Raises ``ValueError`` for a metric that is unknown, or can't be had from them.
    """

    def __init__(
        self, folder: RunFolder, metric: str, classifier: str | None, images: Images
    ) -> None:
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
        self.folder, self.metric = folder, metric
        self.source: Source = (
            metrics.PIXELS if classifier is None else classifier_of(classifier, images.shape)
        )
        if METRICS[metric].sees == "probabilities" and self.source.probabilities is None:
            raise ValueError(
                f"best: {metric} needs class probabilities; name a classifier with --classifier "
                "(minigan train-classifier makes one)"
            )
        self.real = some(images, _SAMPLES).batch(slice(None))
        try:
            self._judged(self.real)
        except ValueError as error:  # of too few images, for one
            raise ValueError(f"best: {metric} can't be had of these data: {error}") from None

    def check_kept(self) -> None:
        """Raise ``ValueError`` if the run has kept the best by another figure."""
        old = self.folder.read_best()
        sees = "images" if METRICS[self.metric].sees == "images" else self.source.name
        if old is not None and (old["metric"], old["source"]) != (self.metric, sees):
            raise ValueError(
                f"best: the run in {self.folder.path} keeps the best by {old['metric']} of "
                f"{old['source']}, got {self.metric} of {sees}: resume with that, or move "
                f"{self.folder.best.name} and best.npz away first"
            )

    def _judged(self, fake: Any) -> dict[str, Any]:
        (found,) = metrics.evaluate(
            real=self.real, fake=fake, source=self.source, metrics=[self.metric]
        )
        return found._asdict()

    def look(self, trainer: Trainer, save: Callable[[str], None]) -> None:
        """Judge as many samples; ``save`` the generator, by that name, if they are the best."""
        fake = scaled(trainer.sample(len(self.real)), trainer.image_range, (-1, 1))
        new, old = self._judged(fake), self.folder.read_best()
        if _badness(new) < (math.inf if old is None else _badness(old)):
            save("best.npz")
            told = {"step": trainer.step_count, **{name: new[name] for name in _TOLD}}
            write_text(self.folder.best, json.dumps(told, indent=2) + "\n")


def _badness(found: dict[str, Any]) -> float:
    """What to make small; NaN is worse than all else, as it is not less."""
    if found["better"] == "as real":
        return abs(found["value"] - found["real_value"])
    return -found["value"] if found["better"] == "higher" else found["value"]
