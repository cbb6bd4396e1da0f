"""``minigan doctor``: what is wrong with a run, finished or broken."""

from __future__ import annotations

import argparse
import math
import warnings
from contextlib import suppress

import numpy as np

from ..errors import HealthWarning, NonFiniteError
from ..gan import Finding, Report
from .config import Config, recipe_named, with_images
from .folder import RunFolder
from .inspect import existing
from .train import held_out, made_trainer

_LOOKS = 5  # steps in a row, as many as any check wants


def doctor(asked: argparse.Namespace) -> int:
    """Run ``minigan doctor``; the exit status is 1 if there is something to say."""
    folder = RunFolder(existing(asked.source))
    if not folder.path.is_dir():
        raise NotADirectoryError(f"{asked.source!r} is a file, wanted the folder of a run")
    config = folder.read_config()
    found = folder.read_findings()
    if folder.state.exists():
        found = _examined(folder, config, found)
    for finding in found:
        print(finding)
    if not found:
        print("nothing to complain of")
    return int(bool(found))


def _examined(folder: RunFolder, config: Config, before: list[Finding]) -> list[Finding]:
    """What was found before, and what shows in the log and in some steps from the saved state."""
    recipe = recipe_named(config.recipe)
    images = recipe.load_data(config.recipe_settings(), config.data)
    trainer = made_trainer(config, images)
    trainer.load(folder.state, with_images(config, images).identity())
    doctor = trainer.doctor
    if doctor is None:
        return before
    doctor.findings[:] = before + [one for one in doctor.findings if one not in before]
    doctor.every = 1
    done = trainer.step_count
    log = (line for line in folder.read_log() if line["step"] <= done)
    doctor.recall(Report(*(line.get(name, math.nan) for name in Report._fields)) for line in log)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", HealthWarning)
        with suppress(NonFiniteError):  # it is among the findings
            trainer.fit(images, _LOOKS, config.batch, held_out=held_out(config))
    return doctor.findings
