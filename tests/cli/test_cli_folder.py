"""The folder of a run: what may start in it, what may change, and what a resume cuts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan import data
from minigan.cli.config import fresh, read_config
from minigan.cli.folder import RunFolder
from minigan.files import FileError
from minigan.gan import Report

Command = Callable[..., Any]
SETTINGS = fresh("digits", {}).settings


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_config_comes_back_as_it_was(tmp_path: Path) -> None:
    config = dataclasses.replace(fresh("digits", {"lr": 0.1 + 0.2, "data": "ü"}), images="some")
    folder = RunFolder(tmp_path)
    folder.write_config(config)
    assert folder.read_config() == config
    assert (config.log_every, config.save_every) == (10, 250)
    assert fresh("digits", {"steps": 804}).sample_every == 100
    assert fresh("digits", {"steps": 5}).sample_every == 1


@pytest.mark.parametrize(
    "change, words",
    [
        ({"format": "minigan.run/0"}, "another format, wanted 'minigan.run/1'"),
        ({"recipe": "gone"}, "gone"),
        ({"steps": "many"}, "steps: got many, wanted a whole number"),
        ({"seed": True}, "seed: got true, wanted a whole number"),
        ({"seed": None}, "seed: got null, wanted a whole number"),
        ({"recipe": 5}, "recipe: got 5, wanted a text"),
        ({"data": 5}, "data: got 5, wanted a text or null"),
        ({"settings": 5}, "settings: got 5, wanted an object"),
        ({"settings": {**SETTINGS, "lr": "fast"}}, "lr: got fast, wanted a number"),
        ({"settings": {**SETTINGS, "width": 2.5}}, "width: got 2.5, wanted a whole number"),
        ({"log_every": 0}, "log_every: got 0, wanted at least 1"),
        ({"extra": 1}, "extra: unknown"),
        ({"settings": {"width": 4}}, "lr.*: missing"),
    ],
)
def test_a_config_that_cannot_be_used(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(fresh("digits", {}).text()) | change))
    with pytest.raises(FileError, match=words):
        read_config(path)


def test_the_log_is_cut_to_the_state(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (1, 2, 3):
        folder.log(Report(step, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    kept = folder.log_file.read_bytes().splitlines(keepends=True)[:2]
    with open(folder.log_file, "ab") as file:
        file.write(b'{"step": 4, "discriminator_lo')
    (tmp_path / "samples").mkdir()
    for name in ("step-000002.png", "step-000003.png", "mine.png", "step-by-step.png"):
        (tmp_path / "samples" / name).touch()
    folder.cut(2)
    assert folder.log_file.read_bytes() == b"".join(kept)
    found = {p.name for p in (tmp_path / "samples").iterdir()}
    assert found == {"step-000002.png", "mine.png", "step-by-step.png"}


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*log\.jsonl"):
        RunFolder(tmp_path).log(Report(1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))


def test_two_runs_cannot_train_in_one_folder_at_once(train: Command) -> None:
    pytest.importorskip("fcntl")
    arguments = ["--steps", 1, "--out", "r", "--quiet"]
    with RunFolder(Path("r")).locked():
        result = train(*arguments)
    assert result.status == 2
    assert "another process is training in 'r'" in result.err
    assert list(Path("r").iterdir()) == []
    assert train(*arguments).status == 0  # free again


# Starting where something is


def test_a_folder_with_something_in_it_is_refused(command: Command, copied: Path) -> None:
    before = files(copied)
    result = command("train", "--out", copied)
    assert result.status == 2
    for word in (str(copied), "--resume", "--overwrite", "--out"):
        assert word in result.err
    assert files(copied) == before


def test_an_empty_folder_is_fine(train: Command) -> None:
    Path("r").mkdir()
    Path("r/.minigan-0123.tmp").touch()  # of a run that was killed before its config
    assert train("--steps", 1, "--out", "r", "--quiet").status == 0


def test_overwrite_removes_only_what_a_run_makes(
    train: Command, copied: Path, finished: Path
) -> None:
    (copied / "mine.txt").write_text("mine")
    (copied / "samples" / "mine.png").write_text("mine")
    result = train("--steps", 1, "--seed", 1, "--overwrite", "--out", copied, "--quiet")
    assert result.status == 0
    assert set(files(copied)) == {
        "config.json", "log.jsonl", "state.npz", "generator.npz", "discriminator.npz",
        "samples.png", "curves.png", "samples/step-000001.png", "mine.txt", "samples/mine.png",
    }  # fmt: skip
    assert (copied / "mine.txt").read_text() == "mine"
    assert json.loads((copied / "config.json").read_text())["seed"] == 1


@pytest.mark.parametrize("text", [None, "{}", "[]", "half {", '{"format": "other/1"}'])
@pytest.mark.parametrize("mode", ["--overwrite", "--resume"])
def test_a_folder_that_is_no_run_is_left_alone(
    command: Command, tmp_path: Path, mode: str, text: str | None
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "state.npz").write_bytes(b"precious")
    if text is not None:
        (tmp_path / "home" / "config.json").write_text(text)
    before = files(tmp_path)
    result = command("train", mode, "--out", "home")
    assert result.status == 2
    if mode == "--overwrite" or text is None:
        assert "does not look like the folder of a run" in result.err
    assert files(tmp_path) == before


def test_a_mistake_with_overwrite_removes_nothing(command: Command, copied: Path) -> None:
    before = files(copied)
    assert command("train", "--overwrite", "--out", copied, "--batch", 9999).status == 2
    assert files(copied) == before


# Resuming


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--seed 1", ["seed", "has 0", "got 1"]),
        ("--batch 9", ["batch", "has 8", "got 9"]),
        ("--set width=5", ["width", "has 4", "got 5"]),
        ("--set lr=0.5", ["lr", "has 0.001", "got 0.5"]),
        ("--steps 5", ["steps", "one of 6", "got 5", "only grow"]),
        ("mlp-mnist", ["recipe", "has digits", "got mlp-mnist"]),
        ("--set widht=4", ["widht", "width"]),
    ],
)
def test_a_changed_setting_is_refused(
    command: Command, copied: Path, arguments: str, words: list[str]
) -> None:
    before = files(copied)
    result = command("train", "--resume", "--out", copied, *arguments.split())
    assert result.status == 2
    for word in words:
        assert word in result.err
    assert files(copied) == before


def test_a_rate_that_is_planned_by_the_steps_keeps_them(
    command: Command, train_tiny: Callable[[str, Path], None], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train_tiny("projection", run)
    before = files(run)
    result = command("train", "--resume", "--out", run, "--steps", 3)
    assert result.status == 2
    assert "steps: projection plans its learning rate by the 2 steps" in result.err
    assert "got 3" in result.err and files(run) == before
    assert command("train", "--resume", "--out", run, "--quiet").status == 0


def test_what_may_differ_may(command: Command, copied: Path) -> None:
    same = ["digits", "--seed", 0, "--batch", 8, "--set", "width=4"]
    cadence = ["--set", "log_every=1", "--set", "sample_every=1", "--set", "save_every=1"]
    result = command("train", *same, "--resume", "--out", copied, "--steps", 8, *cadence, "--quiet")
    assert result.status == 0
    log = [json.loads(line)["step"] for line in (copied / "log.jsonl").read_text().splitlines()]
    assert log == [2, 3, 4, 6, 7, 8]
    assert (copied / "samples" / "step-000007.png").exists()


def test_other_data_are_refused_but_may_have_moved(train: Command, command: Command) -> None:
    pixels = data.digits().pixels[:20]
    np.save("here.npy", pixels)
    train("--steps", 1, "--data", "here.npy", "--out", "r", "--quiet")
    Path("here.npy").rename("there.npy")
    resume = ["train", "--resume", "--out", "r", "--quiet"]
    assert command(*resume).status == 2  # here.npy is gone
    assert command(*resume, "--data", "there.npy", "--steps", 2).status == 0
    np.save("there.npy", pixels[::-1])
    before = files(Path("r"))
    result = command(*resume, "--steps", 3)
    assert result.status == 2
    assert "data: got 20 images of 8x8x1" in result.err
    assert files(Path("r")) == before


def test_killed_before_its_first_state_it_starts_afresh(
    command: Command, copied: Path, finished: Path
) -> None:
    for path in copied.rglob("*.*"):
        if path.name not in ("config.json", "log.jsonl"):
            path.unlink()
    (copied / "log.jsonl").write_bytes(b"")  # it is opened before the first state is written
    result = command("train", "--resume", "--out", copied, "--quiet")
    assert result.status == 0
    assert "starting afresh" in result.err
    assert len(result.err.splitlines()) == 1
    assert files(copied) == files(finished)


@pytest.mark.parametrize("kept", ["generator.npz", "log.jsonl", "samples/step-000003.png"])
def test_results_without_their_state_are_not_removed(
    command: Command, copied: Path, kept: str
) -> None:
    for path in copied.rglob("*.*"):
        if path not in (copied / "config.json", copied / kept):
            path.unlink()
    before = files(copied)
    result = command("train", "--resume", "--out", copied, "--quiet")
    assert result.status == 2
    assert "state.npz' is missing" in result.err
    assert "--overwrite" in result.err
    assert files(copied) == before


@pytest.mark.parametrize(
    "change, words",
    [
        (["--batch", 9], "batch is 9, wanted 8"),
        (["--set", "dropout=0.25"], "0.25"),
        (["--data", "mine.npy"], "images is '20 images"),
    ],
)
def test_the_state_of_another_run_is_refused(
    train: Command, command: Command, copied: Path, change: list[Any], words: str
) -> None:
    np.save("mine.npy", data.digits().pixels[:20])
    train("--steps", 1, "--out", "r", "--quiet", *change)
    (copied / "state.npz").write_bytes(Path("r/state.npz").read_bytes())
    before = files(copied)
    result = command("train", "--resume", "--out", copied, "--steps", 9)
    assert result.status == 2
    assert "is of another run" in result.err
    assert words in result.err
    assert files(copied) == before


@pytest.mark.parametrize("text", ["half {", "[" * 100_000, "[]", ""])
def test_a_run_with_a_damaged_config(command: Command, copied: Path, text: str) -> None:
    (copied / "config.json").write_text(text)
    for arguments in (["train", "--resume", "--out", copied], ["info", copied]):
        result = command(*arguments)
        assert result.status == 2
        assert "config.json is damaged" in result.err
        assert len(result.err.splitlines()) == 1
    assert command("train", "--overwrite", "--out", copied, "--steps", 1, "--quiet").status == 0


def test_log_lines_that_hold_no_numbers_are_left_out(command: Command, copied: Path) -> None:
    log = RunFolder(copied).read_log()
    with open(copied / "log.jsonl", "a") as file:
        for change in ({"step": "7"}, {"real_score": None}, {"generator_loss": "low"}):
            file.write(json.dumps({**log[-1], **change}) + "\n")
        file.write("[" * 100_000 + "\n")
    assert RunFolder(copied).read_log() == log
    assert command("info", copied).status == 0
    assert command("train", "--resume", "--out", copied, "--quiet").status == 0


def test_without_a_folder_it_starts_one(train: Command) -> None:
    started = train("--resume", "--steps", 1, "--out", "r", "--quiet")
    assert started.status == 0
    assert started.err == "minigan: there is no run in r: starting a new one\n"  # r may be a slip
    assert Path("r/samples.png").exists()


def test_a_damaged_state_is_told_and_nothing_changes(command: Command, copied: Path) -> None:
    whole = (copied / "state.npz").read_bytes()
    (copied / "state.npz").write_bytes(whole[: len(whole) // 2])
    before = files(copied)
    result = command("train", "--resume", "--out", copied, "--steps", 9)
    assert result.status == 2
    assert "state.npz" in result.err
    assert "damaged" in result.err
    assert files(copied) == before
