"""``minigan sample``, ``info`` and ``recipes``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minigan import data, gan, nn
from minigan.cli.pictures import grid
from minigan.recipes import RECIPES

Command = Callable[..., Any]
OF_OTHER_DATA = {"digits", "dcgan-color", "dcgan64", "upsampling"}


def test_a_grid_beside_the_run(command: Command, copied: Path) -> None:
    result = command("sample", copied, "-n", 5, "--seed", 3)
    path = copied / "sample-seed3.png"
    assert (result.status, result.out) == (0, f"{path}\n")
    images = gan.load_generator(copied / "generator.npz").sample(5, seed=3)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), grid(images, (-1.0, 1.0))[..., 0])


def test_the_default_is_the_picture_that_training_ends_with(command: Command, copied: Path) -> None:
    assert command("sample", copied / "generator.npz").status == 0
    drawn = (copied / "sample-seed0.png").read_bytes()
    assert drawn == (copied / "samples.png").read_bytes()


def test_arrays(command: Command, finished: Path) -> None:
    assert command("sample", finished, "-n", 70, "-o", "a.npy").out == "a.npy\n"
    assert command("sample", finished, "-n", 70, "-o", "a.npz").status == 0
    images = np.load("a.npy")
    assert (images.shape, images.dtype) == ((70, 8, 8, 1), np.float32)
    assert images.min() < 0 < images.max()
    np.testing.assert_array_equal(np.load("a.npz")["images"], images)
    np.testing.assert_array_equal(data.load("a.npz").pixels, images)
    command("sample", finished, "-n", 3, "-o", "few.npy")
    np.testing.assert_array_equal(np.load("few.npy"), images[:3])
    command("sample", finished, "-n", 3, "--seed", 1, "-o", "other.npy")
    assert not np.array_equal(np.load("other.npy"), images[:3])


@pytest.mark.parametrize(
    "target, words",
    [
        ("picture.jpg", ["'picture.jpg'", ".png, .npy, .npz"]),
        ("no/such/folder.npy", ["no/such/folder.npy", "does not exist"]),
        ("copied/generator.npz", ["generator.npz", "run itself"]),
        ("copied/samples.png", ["samples.png", "run itself"]),
        ("copied/samples/step-000003.png", ["step-000003.png", "run itself"]),
        ("copied/samples/new.png", ["new.png", "run itself"]),
    ],
)
def test_a_bad_output(command: Command, copied: Path, target: str, words: list[str]) -> None:
    before = {p: p.read_bytes() for p in copied.rglob("*.*") if p.is_file()}
    result = command("sample", copied, "-o", target)
    assert result.status == 2
    for word in words:
        assert word in result.err
    assert {p: p.read_bytes() for p in copied.rglob("*.*") if p.is_file()} == before


def test_a_suffix_in_capitals(command: Command, finished: Path) -> None:
    for name in ("a.PNG", "a.NPY", "a.Npz"):
        assert command("sample", finished, "-n", 2, "-o", name).status == 0
    with Image.open("a.PNG") as picture:
        assert picture.format == "PNG"
    np.testing.assert_array_equal(np.load("a.NPY"), np.load("a.Npz")["images"])


def test_more_images_than_memory(command: Command, finished: Path) -> None:
    result = command("sample", finished, "-n", 10**12, "-o", "a.npy")
    assert result.status == 2
    for words in ("1,000,000,000,000 images", "238,418.6 GiB", "at most 8 GiB"):
        assert words in result.err
    assert not Path("a.npy").exists()


def test_an_array_that_the_disk_refuses(command: Command, finished: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as small as a full disk
    try:
        result = command("sample", finished, "-n", 64, "-o", "a.npy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.status == 2
    assert result.err == "minigan: cannot write 'a.npy': File too large\n"
    assert list(Path().iterdir()) == []


def test_what_is_no_generator(command: Command, copied: Path, tmp_path: Path) -> None:
    for name in ("discriminator.npz", "state.npz", "config.json"):
        result = command("sample", copied / name, "-o", "out.npy")
        assert result.status == 2
        assert name in result.err
    (copied / "generator.npz").unlink()
    result = command("sample", copied, "-o", "out.npy")
    assert result.status == 2
    assert "generator.npz" in result.err
    assert not Path("out.npy").exists()


def test_info_of_a_run(command: Command, finished: Path) -> None:
    result = command("info", finished)
    assert result.status == 0
    for words in (
        "digits", "6 of 6 done", "step 6: loss D", "1437 images of 8x8x1", "Normal(size=8)",
        "[-1, 1]", "Conv2DTranspose", "Dropout", "trained parameters", "0.1.0",
    ):  # fmt: skip
        assert words in result.out, words
    settings = dict(line.split() for line in result.out.splitlines() if line.startswith("    "))
    assert (settings["width"], settings["batch"], settings["save_every"]) == ("4", "8", "2")


def test_info_of_a_run_that_was_killed_early(command: Command, copied: Path) -> None:
    for path in (*copied.glob("*.npz"), copied / "log.jsonl"):
        path.unlink()
    result = command("info", copied)
    assert result.status == 0
    assert "0 of 6 done" in result.out


def test_info_of_files(command: Command, finished: Path) -> None:
    state = command("info", finished / "state.npz").out
    assert "step 6" in state
    generator = command("info", finished / "generator.npz").out
    discriminator = command("info", finished / "discriminator.npz").out
    assert "latent" in generator
    assert "latent" not in discriminator
    assert discriminator.strip() in state
    nn.save(nn.Dense(3).build((None, 2), seed=0), "dense.npz")
    assert "9 trained parameters" in command("info", "dense.npz").out
    command("sample", finished, "-n", 2, "-o", "a.npz")
    assert "(2, 8, 8, 1) float32" in command("info", "a.npz").out


def test_info_of_what_is_not_ours(command: Command) -> None:
    np.savez("theirs.npz", x=np.zeros(3))
    result = command("info", "theirs.npz")
    assert result.status == 2
    assert "theirs.npz" in result.err


def test_recipes(command: Command) -> None:
    shown = command("recipes").out
    for name, module in RECIPES.items():
        assert (module.__doc__ or "").splitlines()[0] in shown
        one = command("recipes", name).out
        for key, default in module.SETTINGS.items():
            word = str(default).lower() if isinstance(default, bool) else str(default)
            assert f"{key}={word}" in shown
            assert [key, word] in [line.split() for line in one.splitlines()]
        assert "log_every" in one


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name not in OF_OTHER_DATA])
def test_what_any_recipe_leaves_can_be_told_and_sampled(
    command: Command, train_tiny: Command, tmp_path: Path, recipe: str
) -> None:
    run = tmp_path / "run"
    train_tiny(recipe, run)
    for source in (run, run / "state.npz", run / "discriminator.npz"):
        result = command("info", source)
        assert result.status == 0, result.err
    assert command("sample", run, "-n", 2, "-o", "two.npy").status == 0
    assert command("evaluate", run, "-n", 8, "--quiet").status == 0


def test_labels_go_with_the_images_and_codes_are_asked_for(
    command: Command, train_tiny: Callable[[str, Path], None], tmp_path: Path
) -> None:
    train_tiny("conditional", tmp_path / "told")
    assert command("sample", tmp_path / "told", "-n", 12, "-o", "s.npz").status == 0
    with np.load("s.npz") as found:
        assert found["labels"].tolist() == [*range(10), 0, 1]
    train_tiny("infogan", tmp_path / "coded")
    for code in (3, 4):
        words = ("sample", tmp_path / "coded", "-n", 2, "--code", code, "-o", f"{code}.npz")
        assert command(*words).status == 0
    with np.load("3.npz") as third, np.load("4.npz") as fourth:
        assert set(third) == set(fourth) and "labels" not in third
        assert not np.array_equal(third["images"], fourth["images"])
    refused = command("sample", tmp_path / "told", "--code", 3)
    assert refused.status == 2 and "has no categorical code" in refused.err
    for folder, option in (("told", "--label"), ("coded", "--code")):
        refused = command("sample", tmp_path / folder, option, 10)
        assert refused.err == f"minigan: {option}: got 10, wanted 0 to 9\n"


def test_a_name_of_nothing_is_no_name(command: Command, finished: Path) -> None:
    refused = command("sample", finished, "-o", "")
    assert refused.status == 2 and "--output: got '', wanted a path" in refused.err
