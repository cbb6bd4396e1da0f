"""``minigan train --best``: the best generator is kept beside the last; nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.cli import best as module
from minigan.metrics import METRICS, Estimate, Metric

Command = Callable[..., Any]
OFTEN = ["--set", "save_every=1", "--set", "log_every=1", "--set", "sample_every=9", "--quiet"]
BEST_OPTIONS = {"best", "classifier"}
FIGURES = {0: 4.0, 1: 2.0, 2: 3.0, 3: 2.0, 4: 5.0}  # by step


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A metric ``planned`` whose values, a step each, are those of ``FIGURES``."""

    def install(better: Any, figures: dict[int, float] = FIGURES) -> None:
        steps: list[int] = []
        look = module.Best.look

        def watched(self: module.Best, trainer: Any, save: Any) -> None:
            steps[:] = [trainer.step_count] * 2
            look(self, trainer, save)

        def value(*, real: Any, fake: Any) -> Estimate:
            # Asked for the samples, and then for real images in their place.
            return Estimate(figures[steps.pop()] if len(steps) > 1 else 2.6, 0.0, 1)

        monkeypatch.setattr(module.Best, "look", watched)
        monkeypatch.setitem(METRICS, "planned", Metric(value, "images", "made up", better))

    return install


def kept(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "best.json").read_text())


@pytest.mark.parametrize("better, step", [("lower", 1), ("higher", 4), ("as real", 2)])
def test_the_best_of_the_saved_steps_is_kept(
    train: Command, tmp_path: Path, judged: Callable[[str], None], better: str, step: int
) -> None:
    judged(better)
    assert train("--steps", 4, "--out", "run", "--best", "planned", *OFTEN).status == 0
    found = kept(tmp_path / "run")
    assert (found["step"], found["value"], found["real_value"]) == (step, FIGURES[step], 2.6)
    # It is the generator of that step: a run that ends there has the same one as its last.
    assert train("--steps", step, "--out", "short", *OFTEN).status == 0
    same = [tmp_path / "run" / "best.npz", tmp_path / "short" / "generator.npz"]
    assert same[0].read_bytes() == same[1].read_bytes()


def test_training_is_not_changed(train: Command, tmp_path: Path) -> None:
    for name, more in (("with", ["--best", "frechet_distance"]), ("without", [])):
        assert train("--steps", 3, "--out", name, *more, *OFTEN).status == 0
    states = [(tmp_path / name / "state.npz").read_bytes() for name in ("with", "without")]
    assert states[0] == states[1]
    assert not (tmp_path / "without" / "best.npz").exists()


def test_a_resumed_run_keeps_the_best_of_before(
    train: Command, command: Command, tmp_path: Path, judged: Callable[..., None]
) -> None:
    judged("lower")
    assert train("--steps", 3, "--out", "run", "--best", "planned", *OFTEN).status == 0
    judged("lower", {**FIGURES, 4: 2.5})
    assert command("train", "--resume", "--steps", 4, "--out", "run", "--quiet").status == 0
    assert kept(tmp_path / "run")["step"] == 1
    judged("lower", {**FIGURES, 5: 0.5})
    assert command("train", "--resume", "--steps", 5, "--out", "run", "--quiet").status == 0
    assert kept(tmp_path / "run")["step"] == 5


def test_another_metric_does_not_put_the_best_so_far_away(
    train: Command, command: Command, tmp_path: Path
) -> None:
    assert train("--steps", 1, "--out", "run", "--best", "frechet_distance", *OFTEN).status == 0
    before = kept(tmp_path / "run")
    again = ["--resume", "--steps", 2, "--out", "run", "--quiet", "--best", "ms_ssim"]
    refused = command("train", *again)
    assert refused.status == 2 and kept(tmp_path / "run") == before
    assert "best by frechet_distance of pixels, got ms_ssim" in refused.err
    for name in ("best.json", "best.npz"):
        (tmp_path / "run" / name).unlink()
    assert command("train", *again).status == 0
    assert kept(tmp_path / "run")["metric"] == "ms_ssim"


def test_too_few_images_for_the_metric_are_told_before_the_run_begins(
    command: Command, tmp_path: Path
) -> None:
    few = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype("float32")
    np.save(tmp_path / "few.npy", few)
    options = ["--data", "few.npy", "--batch", 2, "--steps", 2, "--out", "run", "--best", "recall"]
    refused = command("train", "digits", *options)
    assert refused.status == 2 and not (tmp_path / "run").exists()
    assert "best: recall can't be had of these data: " in refused.err


def test_nan_is_never_the_best(train: Command, tmp_path: Path, judged: Callable[..., None]) -> None:
    judged("lower", {0: float("nan"), 1: 3.0, 2: float("nan")})
    assert train("--steps", 2, "--out", "run", "--best", "planned", *OFTEN).status == 0
    assert kept(tmp_path / "run")["step"] == 1


def test_it_is_told_evaluated_and_sampled(train: Command, command: Command) -> None:
    assert train("--steps", 2, "--out", "run", "--best", "frechet_distance", *OFTEN).status == 0
    assert "best       step " in command("info", "run").out
    result = command("evaluate", "run", "--best", "--metrics", "ms_ssim", "--json")
    assert json.loads(result.out)[0]["metric"] == "ms_ssim"
    assert command("sample", "run/best.npz", "-n", 4, "-o", "few.npy").status == 0


def test_overwriting_removes_it(train: Command, tmp_path: Path) -> None:
    assert train("--steps", 1, "--out", "run", "--best", "frechet_distance", *OFTEN).status == 0
    assert train("--steps", 1, "--out", "run", "--overwrite", *OFTEN).status == 0
    assert not list((tmp_path / "run").glob("best.*"))


@pytest.mark.parametrize(
    "options, said",
    [
        (["--best", "frechet"], "'frechet' (did you mean 'frechet_distance'?)"),
        (["--best", "classes"], "best: classes needs class probabilities"),
        (["--classifier", "c.npz"], "classifier: nothing but --best METRIC uses it"),
        (["--best", "frechet_distance", "--classifier", "c.npz"], "c.npz"),
    ],
)
def test_what_can_not_be_had_is_said_before_a_file_is_written(
    train: Command, tmp_path: Path, options: list[str], said: str
) -> None:
    result = train("--steps", 2, "--out", "run", *options, *OFTEN)
    assert result.status == 2 and said in result.err, result.err
    assert not (tmp_path / "run").exists()


def test_there_must_be_one_to_evaluate(command: Command, finished: Path) -> None:
    result = command("evaluate", finished, "--best")
    assert result.status == 2 and "train with --best METRIC" in result.err


def test_a_run_from_before_there_was_a_best_goes_on(
    train: Command, command: Command, tmp_path: Path
) -> None:
    assert train("--steps", 1, "--out", "run", *OFTEN).status == 0
    config = tmp_path / "run" / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps({k: v for k, v in values.items() if k not in BEST_OPTIONS}))
    assert command("train", "--resume", "--steps", 2, "--out", "run", "--quiet").status == 0
    assert json.loads(config.read_text()).keys() >= BEST_OPTIONS
