"""Every mistake is told in one line, with exit status 2, before anything is written."""

from __future__ import annotations

import builtins
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minigan import gan

Command = Callable[..., Any]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("trian", ["unknown command 'trian'", "'train'"]),
        ("--verison", ["unknown option '--verison'", "'--version'"]),
        ("train digitz", ["unknown recipe 'digitz'", "'digits'", "dcgan-mnist"]),
        ("train --stpes 5", ["unknown option '--stpes'", "'--steps'"]),
        ("train --step 5", ["unknown option '--step'", "'--steps'"]),
        ("train digits more", ["unexpected argument 'more'"]),
        ("train --set widht=5", ["'widht'", "'width'"]),
        ("train --set width", ["--set", "'width'", "KEY=VALUE"]),
        ("train --set width=wide", ["width", "'wide'", "a whole number"]),
        ("train --set width=2.5", ["width", "'2.5'", "a whole number"]),
        ("train --set lr=fast", ["lr", "'fast'", "a number"]),
        ("train --set lr=nan", ["lr", "'nan'", "a number"]),
        ("train --set lr=-1", ["lr", "-1"]),
        ("train --set latent=0", ["latent", "0"]),
        ("train --set dropout=1.5", ["1.5", "[0, 1)"]),
        ("train --set log_every=0", ["log_every", "0", "at least 1"]),
        ("train --set steps=0", ["steps", "0", "at least 1"]),
        ("train --steps 5 --set steps=6", ["steps", "twice", "5", "6"]),
        ("train --steps 0", ["--steps", "'0'", "at least 1"]),
        ("train --steps many", ["--steps", "'many'", "a whole number"]),
        ("train --seed -1", ["--seed", "'-1'", "at least 0"]),
        ("train --batch 2000", ["batch", "2000", "1437"]),
        ("train --resume --overwrite", ["--resume", "--overwrite"]),
        ("train --out=", ["--out", "got ''", "wanted a path"]),
        ("train --data=", ["--data", "got ''", "wanted a path"]),
        ("train --set width=0", ["settings of digits (width=0):", "got 0"]),
        ("train --set dropout=1.5", ["settings of digits (dropout=1.5): rate: got 1.5"]),
        ("train --device tpu", ["device", "'tpu'", '"cuda"']),
        ("train --captured", ["captured", "a CPU has no CUDA graphs"]),
        ("train --precision tf31", ["precision", "'tf31'", "did you mean 'tf32'"]),
        ("train --data nowhere", ["'nowhere'"]),
        ("train upsampling", ["--data"]),
        (
            "train mlp-mnist",
            [
                "MINIGAN_DATA",
                "train-images-idx3",
                "train-labels-idx1",
                "t10k-images",
                "t10k-labels",
            ],
        ),
        ("sample", ["RUN_OR_FILE"]),
        ("sample nowhere", ["'nowhere'"]),
        ("sample . -n 0", ["--count", "'0'", "at least 1"]),
        ("sample .", ["config.json"]),
        ("info nowhere", ["'nowhere'"]),
        ("recipes digit", ["unknown recipe 'digit'", "'digits'"]),
    ],
)
def test_one_line_and_nothing_written(
    command: Command, tmp_path: Path, arguments: str, words: list[str]
) -> None:
    result = command(*arguments.split())
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("minigan: ")
    assert len(result.err.splitlines()) == 1
    for word in words:
        assert word in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is here")
def test_cuda_without_cupy(command: Command, tmp_path: Path) -> None:
    result = command("train", "--device", "cuda")
    assert result.status == 2
    assert 'pip install ".[gpu]"' in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "module, name", [("tqdm", "tqdm"), ("PIL", "Pillow"), ("matplotlib", "matplotlib")]
)
def test_a_missing_extra_is_told_before_training(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = train("--steps", 2)
    assert result.status == 2
    assert name in result.err
    assert 'of the extra "cli": pip install ".[cli]"' in result.err
    assert list(tmp_path.iterdir()) == []


def test_quiet_needs_no_tqdm(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert train("--steps", 1, "--quiet").status == 0


def test_data_that_the_recipe_cannot_make(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minigan import data
    from minigan.recipes import digits

    grey = data.from_arrays(np.zeros((30, 10, 10, 1), np.uint8))
    monkeypatch.setattr(digits, "load_data", lambda settings, path: grey)
    result = command("train", "--batch", 8, "--set", "width=4")
    assert result.status == 2
    assert "(10, 10, 1)" in result.err
    assert "(8, 8, 1)" in result.err
    assert list(tmp_path.iterdir()) == []


LABELLED = ["conditional", "projection", "ac-gan"]


@pytest.mark.parametrize("recipe", LABELLED)
def test_labels_are_checked_before_anything_is_written(
    command: Command, tmp_path: Path, recipe: str
) -> None:
    pixels = np.zeros((20, 28, 28), np.uint8)
    np.save("plain.npy", pixels)
    np.savez("partly.npz", images=pixels, labels=np.arange(20) % 11 - 1)
    np.savez("beyond.npz", images=pixels, labels=np.arange(20) % 12)
    few = ["train", recipe, "--batch", 4, "--steps", 1, "--set", "width=0.05", "--out", "r"]
    for data in ("plain.npy", "partly.npz"):
        result = command(*few, "--data", data)
        assert (result.status, len(result.err.splitlines())) == (2, 1)
        assert "one sub-folder to a class" in result.err
        assert ("--set labels=false" in result.err) is (recipe == "conditional")
    beyond = command(*few, "--data", "beyond.npz").err
    assert "labels up to 11" in beyond and "add --set classes=12" in beyond
    assert not Path("r").exists()


def test_a_game_without_labels_needs_none_and_absent_classes_are_told(command: Command) -> None:
    pixels = np.zeros((20, 28, 28), np.uint8)
    np.savez("two.npz", images=pixels, labels=np.arange(20) % 2)
    np.save("plain.npy", pixels)
    few = ["train", "conditional", "--batch", 4, "--steps", 1, "--set", "width=0.05", "--quiet"]
    alone = command(*few, "--set", "labels=false", "--data", "plain.npy", "--out", "alone")
    assert (alone.status, alone.err) == (0, "")
    two = command(*few, "--data", "two.npz", "--out", "two")
    assert two.status == 0
    assert "no image of 2, 3, 4, 5, 6, 7, 8, 9," in two.err
    assert "for 2 classes add --set classes=2" in two.err
    assert len(two.err.splitlines()) == 1
    asked = command(*few, "--data", "two.npz", "--set", "classes=2", "--out", "asked")
    assert (asked.status, asked.err) == (0, "")
    assert "label: got 2, wanted 0 to 1" in command("sample", "asked", "--label", 2).err


def test_classes_with_names_are_told_by_number(command: Command) -> None:
    for name in ("circles", "crosses"):
        Path("pictures", name).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(np.full((28, 28), 80 * k, np.uint8)).save(f"pictures/{name}/{k}.png")
    few = ["train", "--data", "pictures", "--batch", 4, "--steps", 1, "--set", "width=0.05"]
    told = command(*few[:1], "conditional", *few[1:], "--set", "classes=2", "--out", "two")
    assert "(pictures), classes 0 circles, 1 crosses, steps 1 to 1" in told.out
    assert "\nclasses    0 circles, 1 crosses\n" in command("info", "two").out
    assert "classes" not in command(*few[:1], "wgan", *few[1:], "--out", "none").out


def test_out_can_be_no_file(train: Command, tmp_path: Path) -> None:
    Path("file").write_text("mine")
    for out in ("file", "file/run"):
        result = train("--steps", 1, "--out", out)
        assert result.status == 2
        assert out in result.err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert Path("file").read_text() == "mine"


def test_out_can_be_no_dangling_link(train: Command, tmp_path: Path) -> None:
    Path("link").symlink_to("nowhere")
    for out in ("link", "link/run"):
        result = train("--steps", 1, "--out", out)
        assert result.status == 2
        assert f"'{out}' can't be made: 'link' is a link to nothing" in result.err
    assert [p.name for p in tmp_path.iterdir()] == ["link"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc")
def test_out_where_no_folder_can_be_made(train: Command) -> None:
    result = train("--steps", 1, "--out", "/proc/run", "--quiet")
    assert result.status == 2
    assert "out: '/proc/run' can't be made: not a place for files" in result.err


def test_ctrl_c_while_it_imports(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, *rest: Any) -> Any:
        if "inspect" in (rest[2] or ()):
            raise KeyboardInterrupt
        return importing(name, *rest)

    importing = builtins.__import__
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", interrupted)
        result = command("recipes")
    assert (result.status, result.err) == (130, "minigan: stopped\n")


def test_traceback_when_asked_for(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGAN_TRACEBACK", "1")
    result = command("info", "nowhere")
    assert result.status == 2
    assert "Traceback" in result.err
    assert result.err.splitlines()[-1].startswith("minigan: ")


@pytest.mark.parametrize(
    "error, status, line",
    [
        (KeyError("no such name"), 2, "no such name"),
        (OSError(28, "No space left on device", "state.npz"), 2, "state.npz: No space left"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_errors_of_every_kind_are_one_line(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    line: str,
) -> None:
    def failing(source: object) -> None:
        raise error

    monkeypatch.setattr("minigan.cli.inspect.existing", failing)
    result = command("info", "x")
    assert result.status == status
    assert result.err.startswith(f"minigan: {line}")
    assert len(result.err.splitlines()) == 1


def test_a_bug_of_ours_keeps_its_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(source: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("minigan.cli.inspect.existing", failing)
    with pytest.raises(ZeroDivisionError):
        command("info", "x")


def test_help_and_version(command: Command) -> None:
    bare = command()
    assert (bare.status, bare.err) == (0, "")
    assert "train a recipe" in bare.out
    assert "MINIGAN_TRACEBACK=1" in bare.out
    assert command("--help").out == bare.out
    assert command("--version").out == "minigan 0.1.0\n"
    for name in ("train", "sample", "evaluate", "train-classifier", "info", "recipes"):
        shown = command(name, "--help")
        assert shown.status == 0
        assert f"usage: minigan {name}" in shown.out


def test_python_dash_m(tmp_path: Path) -> None:
    """And that help asks for none of the extras."""
    script = (
        "import runpy, sys; sys.argv[:] = ['minigan', '--help']\n"
        "for name in ('tqdm', 'PIL', 'matplotlib'): sys.modules[name] = None\n"
        "runpy.run_module('minigan', run_name='__main__')"
    )
    root = Path(gan.__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("usage: minigan")


def test_a_run_whose_data_moved_says_how_to_tell_where(command, tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "here.npy", pixels)
    options = ["--data", "here.npy", "--batch", 4, "--out", "run", "--quiet"]
    assert command("train", "digits", *options, "--steps", 1).status == 0
    (tmp_path / "here.npy").rename(tmp_path / "there.npy")
    moved = command("train", "--resume", "--out", "run", "--steps", 2, "--quiet")
    assert moved.status == 2 and "say with --data PATH where the run's data are now" in moved.err
