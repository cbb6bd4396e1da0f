"""The command as a function, in an empty folder, and one finished run to look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from minigan.cli import main

TINY = ["--set", "width=4", "--set", "latent=8", "--batch", "8"]


@dataclass
class Result:
    """What one call of the command gave."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Call the command in a new empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    monkeypatch.delenv("MINIGAN_TRACEBACK", raising=False)

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        return Result(status, *capsys.readouterr())

    return call


@pytest.fixture
def train(command: Callable[..., Result]) -> Callable[..., Result]:
    """Call ``minigan train`` with tiny networks and batches."""
    return lambda *arguments: command("train", *TINY, *arguments)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 6 steps, for all tests to read and none to change."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    cadence = ["--set", "log_every=2", "--set", "sample_every=3", "--set", "save_every=2"]
    assert main(["train", *TINY, *cadence, "--steps", "6", "--out", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to change."""
    return Path(shutil.copytree(finished, tmp_path / "copied"))
