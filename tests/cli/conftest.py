"""The command as a function, in an empty folder, and one finished run to look at."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from minigan.cli import main
from minigan.recipes import RECIPES

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


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Path:
    """A data set in MNIST's form: 80 and 40 pictures, each as bright as its label says."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 80), ("t10k", 40)):
        labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
        pixels = rng.integers(0, 20, (count, 28, 28)) + 20 * labels[:, None, None]
        for array, kind in ((pixels.astype(np.uint8), "images-idx3"), (labels, "labels-idx1")):
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
    return folder


@pytest.fixture
def train_tiny(command: Callable[..., Result], mnist_folder: Path) -> Callable[[str, Path], None]:
    """Take two steps of an MNIST recipe with narrow networks, into that folder."""

    def train(recipe: str, run: Path) -> None:
        done = command(
            "train", recipe, "--steps", 2, "--batch", 8, "--data", mnist_folder, "--out", run,
            "--quiet", *(["--set", "width=0.05"] if "width" in RECIPES[recipe].SETTINGS else []),
        )  # fmt: skip
        assert done.status == 0, done.err

    return train
