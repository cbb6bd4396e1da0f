"""What the doctor finds in a run: told once, kept beside the log, and asked for afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.data import digits
from minigan.gan import Finding
from minigan.gan.checks import REPORTS

Command = Callable[..., Any]
FAST = ("--set", "lr=3", "--set", "save_every=2", "--quiet")  # much too fast


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "findings.jsonl").read_text().splitlines()]


def test_a_finding_is_told_in_one_line_and_kept(train: Command) -> None:
    result = train("--steps", 4, "--out", "r", *FAST)
    assert (result.status, result.out) == (0, "r/samples.png\n")
    (line,) = result.err.splitlines()
    assert line.startswith("minigan: step 1: learning rate too high: a step changes the generator")
    (kept,) = lines(Path("r"))
    assert line == (
        f"minigan: step {kept['step']}: {kept['name']}: {kept['message']}; {kept['advice']}"
    )


def test_a_resumed_run_does_not_repeat_itself(train: Command, command: Command) -> None:
    train("--steps", 4, "--out", "r", *FAST)
    before = lines(Path("r"))
    later = {**before[0], "name": "mode collapse", "step": 5}  # of a step that was then lost
    Path("r/findings.jsonl").write_text("".join(json.dumps(x) + "\n" for x in (*before, later)))
    with open("r/findings.jsonl", "a") as file:
        file.write('{"step": 5, "na')  # and what a kill left of a line
    result = command("train", "--resume", "--out", "r", "--steps", 6, "--quiet")
    assert (result.status, result.err) == (0, "")
    assert lines(Path("r")) == before
    assert command("train", *("--overwrite", "--out", "r", "--steps", 1, "--quiet")).status == 0
    assert not Path("r/findings.jsonl").exists()


def test_a_finished_run_is_examined(train: Command, command: Command) -> None:
    train("--steps", 4, "--out", "r", *FAST)
    before = {p: p.read_bytes() for p in Path("r").rglob("*") if p.is_file()}
    result = command("doctor", "r")
    assert (result.status, result.err) == (1, "")
    assert result.out.startswith("step 1: learning rate too high: ")
    assert not re.search(r"^step ([5-9]|\d\d)", result.out, re.MULTILINE)  # which it never had
    assert len(result.out.splitlines()) == len({x.split(": ")[1] for x in result.out.splitlines()})
    assert {p: p.read_bytes() for p in Path("r").rglob("*") if p.is_file()} == before


def test_what_shows_after_the_last_step_is_told_as_such_and_once(
    command: Command, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Finding("one", 3, "is", "do"), *[Finding("two", 6, "was", "did")] * 2]
    train("--steps", 4, "--out", "r", "--quiet")
    monkeypatch.setattr("minigan.cli.doctor._examined", lambda *arguments: (found, 4))
    assert command("doctor", "r").out == "step 3: one: is; do\nafter step 4: two: was; did\n"


def test_a_healthy_run_has_nothing(train: Command, command: Command) -> None:
    train("--steps", REPORTS, "--out", "r", "--quiet")
    result = command("doctor", "r")
    assert (result.status, result.out, result.err) == (0, "nothing to complain of\n", "")


def test_a_run_that_has_hardly_begun_is_not_called_healthy(
    command: Command, finished: Path, copied: Path
) -> None:
    told = "nothing to complain of in 6 steps, which is too early to judge: {}\n"
    words = told.format("much shows from step 100 on only")
    assert command("doctor", finished).out == words
    (copied / "state.npz").unlink()
    result = command("doctor", copied)
    assert result.status and "state.npz" in result.err and "nothing to examine" in result.err


def test_samples_that_are_all_alike_are_found_in_a_finished_run(command: Command) -> None:
    """As they are early in this recipe: one blob with specks, which differ from pixel to pixel."""
    np.save("large.npy", digits().pixels.repeat(3, 1).repeat(3, 2))
    options = ("--data", "large.npy", "--steps", 250, "--out", "r", "--quiet")
    assert command("train", "mlp-mnist", *options).status == 0
    Path("r/findings.jsonl").unlink(missing_ok=True)
    result = command("doctor", "r")
    assert result.status == 1 and "mode collapse" in result.out


def test_data_that_have_moved_are_asked_for(train: Command, command: Command) -> None:
    np.save("here.npy", digits().pixels[:20])
    train("--steps", 1, "--data", "here.npy", "--out", "r", "--quiet")
    Path("here.npy").rename("there.npy")
    for name in ("doctor", "explain", "evaluate"):
        lost = command(name, "r")
        assert lost.status == 2
        assert "here.npy" in lost.err
        assert "say with --data PATH where the run's data are now" in lost.err
    assert command("doctor", "r", "--data", "there.npy").status == 0


def test_a_run_that_broke_says_where(train: Command, command: Command) -> None:
    broken = train("--steps", 6, "--out", "r", "--set", "lr=1e30", "--quiet")
    assert broken.status == 1
    result = command("doctor", "r")
    assert result.status == 1
    assert "step 1: not finite: " in result.out
    assert "is the first tensor that is not finite" in result.out


def test_a_finding_that_shows_in_the_log_alone(command: Command, copied: Path) -> None:
    # A log of 100 steps in which the discriminator is never wrong, at or before the saved step.
    line = {"step": 6, "discriminator_loss": 0.0, "generator_loss": 5.0}
    line |= {"real_score": 3.0, "fake_score": -3.0}
    (copied / "log.jsonl").write_text((json.dumps(line) + "\n") * 100)
    result = command("doctor", copied)
    assert result.status == 1
    assert "saturated discriminator: the discriminator's loss is 0 where guessing" in result.out


@pytest.mark.parametrize(
    "source, words", [("nowhere", "there is no file"), ("generator.npz", "wanted the folder")]
)
def test_what_is_not_a_run(command: Command, copied: Path, source: str, words: str) -> None:
    result = command("doctor", copied / source)
    assert result.status == 2
    assert words in result.err and len(result.err.splitlines()) == 1
