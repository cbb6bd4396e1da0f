"""``minigan train``: check everything before a file is written, then train and lose nothing."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, cast

import numpy as np

from .. import nn, settings
from ..backend import check_device
from ..data import Images
from ..errors import HealthWarning, NonFiniteError
from ..files import read_header
from ..gan import Finding, Report, Trainer, save_generator
from ..gan.doctor import not_finite
from ..gan.inside import singular_values
from ..gan.losses import BinaryCrossEntropy, Loss
from .best import Best
from .config import (
    Config,
    fresh,
    given_options,
    held_out,
    images_of,
    recipe_named,
    resumed,
    settings_of,
    with_images,
)
from .folder import RunFolder
from .pictures import save_curves, save_grid
from .words import bar, compact, require, shown

DEFAULT = "digits"
_BAR = "{percentage:3.0f}%|{bar}|{n_fmt}/{total_fmt} [{remaining} {rate_fmt}{postfix}]"
"""The line of progress: short, so that 80 columns hold the figures too."""
_GRID = 64  # images in a picture, all of one seed, so that pictures can be compared


class Stopped(Exception):
    """A signal asked the run to stop, and its step is done."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """Within the block, the first SIGINT or SIGTERM is noted and the second stops at once."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # only it may ask for signals
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number


def train(asked: argparse.Namespace) -> int:
    """Run ``minigan train``."""
    require("PIL", "matplotlib", *([] if asked.quiet else ["tqdm"]))
    folder, config = _settled(asked)
    check_device(config.device)
    images = images_of(config, quiet=asked.quiet, is_new=not asked.resume)
    config = with_images(config, images)
    trainer = made_trainer(config, images)
    if config.captured:
        trainer.capture()
    _check(trainer, images, config)
    others = held_out(config, images)
    if config.classifier is not None and config.best is None:
        raise ValueError("classifier: nothing but --best METRIC uses it, and that is not given")
    best = Best(folder, config.best, config.classifier, images) if config.best else None
    # Bad numbers are found and named by the trainer; NumPy's warnings would only repeat them.
    quiet, exact = np.errstate(all="ignore"), settings.config(precision=config.precision)
    with exact, quiet, folder.locked(), Signals() as signals:
        if asked.resume and best is not None:
            best.check_kept()
        if asked.resume and folder.state.exists():
            _go_back(trainer, folder, config)
        elif asked.resume:
            _start_afresh(folder)
        elif asked.overwrite:
            folder.clear()
        else:
            _require_free(folder)  # again, now that no other process can come in between
        return Run(trainer, images, others, config, folder, signals, asked.quiet, best).go()


def made_trainer(config: Config, images: Images) -> Trainer:
    """The recipe's trainer, before its first step. Raises ``ValueError``, naming the recipe."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HealthWarning)  # a run tells its findings itself
            made = recipe_named(config.recipe).make_trainer(
                config.recipe_settings(), images.shape, config.seed, config.device
            )
    except (ValueError, TypeError) as error:  # of a layer, which knows no names of settings
        defaults = settings_of(config.recipe)
        changed = [f"{k}={shown(v)}" for k, v in config.settings.items() if v != defaults[k]]
        named = f" ({', '.join(changed)})" if changed else ""
        raise ValueError(f"settings of {config.recipe}{named}: {error}") from error
    return cast(Trainer, made)


def _settled(asked: argparse.Namespace) -> tuple[RunFolder, Config]:
    """The folder and the config that the options mean, nothing being written."""
    if asked.recipe is not None:
        recipe_named(asked.recipe)
    name = asked.recipe or DEFAULT
    folder = RunFolder(Path(asked.out or f"runs/{name}"))
    if folder.is_free() or not asked.resume:
        config = fresh(name, given_options(asked, name))
        if not asked.overwrite:
            _require_free(folder)
        elif not folder.is_free():
            folder.require_run()
        return folder, config
    saved = folder.read_config()
    if asked.recipe not in (None, saved.recipe):
        raise ValueError(
            f"recipe: the run in {folder.path} has {saved.recipe}, got {asked.recipe}; "
            "resume without it, or start another run with --out"
        )
    return folder, resumed(saved, given_options(asked, saved.recipe), folder.path)


def _require_free(folder: RunFolder) -> None:
    if not folder.is_free():
        raise FileExistsError(
            f"the folder {str(folder.path)!r} is not empty: add --resume to go on with the run in "
            "it, --overwrite to remove that run, or --out DIR to train elsewhere"
        )


def _check(trainer: Trainer, images: Images, config: Config) -> None:
    """Find now what the first step would complain about, before anything is written."""
    made = trainer.game.image_shape()
    if made != images.shape:
        raise ValueError(
            f"data: got images of shape {images.shape}, but {config.recipe} makes {made}; "
            "choose other data, or a recipe or settings for that size"
        )
    if config.batch > len(images):
        raise ValueError(
            f"batch: got {config.batch}, wanted at most {len(images)}, the number of images"
        )
    if trainer.game.conditioning is not None:
        _check_labels(trainer.game.conditioning.classes, images, config)


def _check_labels(classes: int, images: Images, config: Config) -> None:
    """Refuse labels that the game has no class for; tell of classes that no image is of."""
    if images.labels is None or (images.labels < 0).any():
        without = "; or train without, with --set labels=false"
        raise ValueError(
            f"data: {config.recipe} needs the class of each image, got images without: give a "
            "folder with one sub-folder to a class, or an .npz file with images and labels"
            + (without if config.settings.get("labels") is True else "")
        )
    found = np.unique(images.labels)
    if found[-1] >= classes:
        raise ValueError(
            f"data: got labels up to {found[-1]}, but {config.recipe} makes {classes} classes, "
            f"wanted 0 to {classes - 1}: add --set classes={found[-1] + 1}"
        )
    if len(found) < classes:
        absent = ", ".join(str(k) for k in range(classes) if k not in found)
        enough = max(2, int(found[-1]) + 1)
        fewer = f"; for {enough} classes add --set classes={enough}" if enough < classes else ""
        print(
            f"minigan: {config.recipe} makes {classes} classes, and the data have no image of "
            f"{absent}, samples of which mean nothing{fewer}",
            file=sys.stderr,
        )


def _start_afresh(folder: RunFolder) -> None:
    """Resume a run that was killed before its first state; others' results are not removed."""
    if folder.has_results():
        raise FileNotFoundError(
            f"{str(folder.state)!r} is missing, so the run can't go on: put it back, or add "
            "--overwrite in place of --resume to remove that run and start again"
        )
    if folder.config.exists():
        print(f"minigan: {folder.path} has no saved state yet: starting afresh", file=sys.stderr)
    else:
        print(f"minigan: there is no run in {folder.path}: starting a new one", file=sys.stderr)
    folder.clear()


def _go_back(trainer: Trainer, folder: RunFolder, config: Config) -> None:
    """Put the trainer and the folder at the saved step."""
    saved, planned = str(read_header(folder.state)[0].get("optimizers")), folder.read_config().steps
    is_replanned = any(repr(one.schedule) not in saved for one in trainer.players)
    if planned != config.steps and is_replanned:
        raise ValueError(
            f"steps: {config.recipe} plans its learning rate by the {planned} steps that the run "
            f"was started with, got {config.steps}; train another run with --out"
        )
    trainer.load(folder.state, config.identity())
    if trainer.step_count > config.steps:
        raise ValueError(
            f"steps: the run in {folder.path} has done {trainer.step_count}, got {config.steps}; "
            "steps can't be taken back"
        )
    folder.cut(trainer.step_count)


class Run:
    """One call of ``minigan train``, once all is checked: the steps and what they leave behind."""

    def __init__(
        self,
        trainer: Trainer,
        images: Images,
        others: Images | None,
        config: Config,
        folder: RunFolder,
        signals: Signals,
        quiet: bool,
        best: Best | None = None,
    ) -> None:
        self.trainer, self.images, self.others, self.config = trainer, images, others, config
        self.folder, self.signals, self.quiet, self.best = folder, signals, quiet, best
        self.saved_step = trainer.step_count
        self._raw = not _gives_probabilities(trainer.game.loss)
        self._bar: Any = None

    def go(self) -> int:
        """Train to the last step, or until a signal; returns the exit status."""
        self.folder.write_config(self.config)
        self._announce()
        self._listen()
        try:
            try:
                self._train()
                self._finish()
            except Stopped as stop:
                self._save()
                words = f"minigan: stopped at step {self.saved_step}; {self._hint()}"
                print(words, file=sys.stderr)
                return 128 + stop.number
        except NonFiniteError as error:
            self.folder.note(not_finite(self.trainer.step_count + 1, str(error)))
            raise NonFiniteError(
                f"{error}; {self.folder.path} keeps the state of step {self.saved_step}, and "
                f"minigan doctor {shlex.quote(str(self.folder.path))} says what to try"
            ) from None
        print(self.folder / "samples.png")
        return 0

    def _train(self) -> None:
        done, steps = self.trainer.step_count, self.config.steps
        if done == 0:
            self._save()
        with self._progress():
            self.trainer.fit(
                self.images,
                steps - done,
                self.config.batch,
                callbacks=[self._after_step],
                held_out=self.others,
            )

    def _listen(self) -> None:
        """Tell and keep what the doctor finds, but for what it found before the run was resumed."""
        if self.trainer.captured is not None:
            self.trainer.captured.tell = self._say
        doctor = self.trainer.doctor
        if doctor is None:
            return
        before = self.folder.read_findings()
        new = [finding for finding in doctor.findings if finding not in before]
        doctor.findings[:] = before
        doctor.tell = self._tell
        for finding in new:
            doctor.findings.append(finding)
            self._tell(finding)

    def _tell(self, finding: Finding) -> None:
        self.folder.note(finding)
        self._say(str(finding))

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(f"minigan: {line}", file=sys.stderr, flush=True)

    def _after_step(self, report: Report) -> None:
        step, config = report.step, self.config
        is_last = step == config.steps
        is_drawn = step % config.sample_every == 0
        is_logged = step % config.log_every == 0 or is_last
        if is_drawn or is_logged:
            report = report._replace()  # in numbers, if it was not read yet: see ``gan.captured``
        if is_drawn:
            self.folder.log(report, singular_values=self._singular_values())
            self._draw(self.folder.picture(step))
        elif is_logged:
            self.folder.log(report)
        if step % config.save_every == 0 and not is_last:
            self._save()
        if self._bar is not None:
            if isinstance(report, Report):
                self._bar.set_postfix_str(_in_words(report, self._raw), refresh=False)
            self._bar.update()
        if self.signals.number is not None and not is_last:
            raise Stopped(self.signals.number)

    def _finish(self) -> None:
        self._save()
        config = self.config
        title = f"{config.recipe}: {config.steps:,} steps of {config.batch}, seed {config.seed}"
        log = self.folder.read_log()
        save_curves(log, title, self.folder / "curves.png", self._raw)
        self._draw(self.folder / "samples.png")

    def _save(self) -> None:
        """The state first, which refuses numbers that are not finite."""
        self.folder.sync_log()
        self.trainer.save(self.folder.state, self.config.identity())
        self.saved_step = self.trainer.step_count
        self._save_generator("generator.npz")
        nn.save(self.trainer.game.discriminator, self.folder / "discriminator.npz")
        if self.best is not None:
            self.best.look(self.trainer, self._save_generator)

    def _save_generator(self, name: str) -> None:
        trainer, game = self.trainer, self.trainer.game
        path, image_range = self.folder / name, trainer.image_range
        save_generator(trainer.sampler, game.latent, image_range, path, game.conditioning)

    def _draw(self, path: Path) -> None:
        save_grid(self.trainer.sample(_GRID, seed=0), self.trainer.image_range, path)

    def _singular_values(self) -> dict[str, float]:
        """The largest one of each weight, by its dotted name."""
        game = self.trainer.game
        networks = {"generator": game.generator, "discriminator": game.discriminator}
        return {
            f"{owner}.{name}": value
            for owner, network in networks.items()
            for name, value in singular_values(network).items()
        }

    def _announce(self) -> None:
        done, config = self.trainer.step_count, self.config
        if self.quiet:
            return
        if done == config.steps:
            print(f"the run in {self.folder.path} is already at step {done}")
        else:
            data = f"{len(self.images):,} images of {'x'.join(map(str, self.images.shape))}"
            data += f" ({self.images.source})" if self.images.source else ""
            if self.trainer.game.conditioning is not None and config.class_names:
                data += f", classes {config.numbered_classes()}"
            steps = f"steps {done + 1:,} to {config.steps:,}"
            print(f"{config.recipe}: {data}, {steps}, into {self.folder.path}", flush=True)

    def _hint(self) -> str:
        return f"go on with: minigan train --resume --out {shlex.quote(str(self.folder.path))}"

    def _progress(self) -> Any:
        if self.quiet or self.trainer.step_count == self.config.steps:
            return nullcontext()
        self._bar = bar(initial=self.trainer.step_count, total=self.config.steps, bar_format=_BAR)
        return self._bar


def _gives_probabilities(loss: Loss) -> bool:
    """Whether the scores that a report has are D's probabilities."""
    return type(loss).score is Loss.score or isinstance(loss, BinaryCrossEntropy)


def _in_words(report: Report, raw: bool) -> str:
    """The figures of a step; D(x) is a probability, s(x) a ``raw`` score."""
    d = "s" if raw else "D"
    return (
        f"loss D {compact(report.discriminator_loss, 2)} G {compact(report.generator_loss, 2)} "
        f"{d}(x) {compact(report.real_score, 2)} {d}(G(z)) {compact(report.fake_score, 2)}"
    )
