"""``minigan doctor``: what is wrong with a run, finished or broken."""

from __future__ import annotations

import argparse
import math
import warnings
from contextlib import suppress

import numpy as np

from ..errors import HealthWarning, NonFiniteError
from ..gan import Finding, Report
from ..gan.checks import REPORTS
from .config import Config, held_out, images_of, with_images
from .folder import RunFolder
from .inspect import existing
from .train import made_trainer

_LOOKS = 5  # steps in a row, as many as any check wants


def doctor(asked: argparse.Namespace) -> int:
    """Run ``minigan doctor``; the exit status is 1 if there is something to say."""
    folder = RunFolder(existing(asked.source))
    if not folder.path.is_dir():
        raise NotADirectoryError(f"{asked.source!r} is a file, wanted the folder of a run")
    config = folder.read_config()
    found, done = folder.read_findings(), 0
    if folder.state.exists():
        found, done = _examined(folder, config, found, asked.data)
    elif not found:
        raise FileNotFoundError(
            f"{str(folder.state)!r}, the state of the run, is missing: there is nothing to examine"
        )
    for finding in dict.fromkeys(found):
        is_later = finding.step > done > 0  # in the steps that were taken to examine it
        print(f"after {finding._replace(step=done)}" if is_later else finding)
    if not found:
        early = f" in {done} steps, which is too early to judge: much shows from step {REPORTS} on"
        print("nothing to complain of" + (f"{early} only" if done < REPORTS else ""))
    return int(bool(found))


def _examined(
    folder: RunFolder, config: Config, before: list[Finding], data: str | None
) -> tuple[list[Finding], int]:
    """What was found before, and what shows in the log and in some steps from the saved state.

    Also how many steps were done.
    """
    images = images_of(config, data)
    trainer = made_trainer(config, images)
    trainer.load(folder.state, with_images(config, images).identity())
    doctor, done = trainer.doctor, trainer.step_count
    if doctor is None:
        return before, done
    doctor.findings[:] = before + [one for one in doctor.findings if one not in before]
    doctor.every = 1
    log = (line for line in folder.read_log() if line["step"] <= done)
    doctor.recall(Report(*(line.get(name, math.nan) for name in Report._fields)) for line in log)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", HealthWarning)
        with suppress(NonFiniteError):  # it is among the findings
            trainer.fit(images, _LOOKS, config.batch, held_out=held_out(config, images, data))
    return doctor.findings, done
