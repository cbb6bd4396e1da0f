"""``minigan explain``: which pictures there are, how large, and what is in their places."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minigan as mg
from minigan import data, gan, nn
from minigan.cli import explain, main
from minigan.cli.folder import EXPLAINED, RunFolder
from minigan.cli.pictures import norms
from minigan.cli.sheets import Block, mosaic, sheet, signed
from minigan.gan import Codes, Game, Labels, Normal, Packed, Trainer
from minigan.recipes import RECIPES

Command = Callable[..., Any]


@pytest.fixture(scope="session")
def explained(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run, explained."""
    copy = Path(shutil.copytree(finished, tmp_path_factory.mktemp("explained") / "run"))
    assert main(["explain", str(copy)]) == 0
    return copy


# Sheets


def test_every_tile_is_in_its_cell_enlarged_in_whole_pixels() -> None:
    rng = np.random.default_rng(0)
    small, large = (rng.integers(0, 255, (2, n, n, 3), dtype=np.uint8) for n in (4, 6))
    page, height, width = mosaic([[small[0], large[0]], [large[1], small[1]]])
    assert (height, width, page.shape) == (63, 63, (129, 129, 3))
    for place, tile in [((0, 0), small[0]), ((0, 1), large[0]), ((1, 0), large[1])]:
        top, left = (3 + 63 * i for i in place)
        found, k = page[top : top + 60, left : left + 60], 60 // len(tile)
        np.testing.assert_array_equal(found, tile.repeat(k, 0).repeat(k, 1))
    assert len(np.unique(page[:, :3])) == 1


def test_a_tile_that_does_not_fill_its_cell_is_in_the_middle_and_a_large_one_is_averaged() -> None:
    page, _, _ = mosaic([[np.zeros((60, 60, 3), np.uint8), np.full((7, 7, 3), 255, np.uint8)]])
    assert (page[5:61, 68:124] == 255).all()
    assert (page == 255).all(-1).sum() == 56 * 56
    chequered = np.indices((256, 200)).sum(0)[..., None] % 2 * np.full(3, 200)
    page, height, width = mosaic([[chequered.astype(np.uint8)]])
    assert (height, width) == (131, 103)
    assert (page[3:131, 3:103] == 100).all()


def test_signed_colours() -> None:
    (low, zero, high), (beyond,) = signed(np.array([-2.0, 0, 2]), 2.0), signed(np.array([9.0]), 2.0)
    assert low[2] > low[0] + 50  # blue
    assert high[0] > high[2] + 50  # red
    assert min(zero) > 240
    np.testing.assert_array_equal(beyond, high)
    assert (signed(np.zeros(2), 0.0) == zero).all()


def test_a_sheet_shows_its_tiles_unblurred_and_all_its_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 255, (2, 3, 8, 8, 3), dtype=np.uint8)
    caption = "a caption that is longer than the tiles are wide, and ends before the scale begins"
    figure = sheet("a title", [Block(caption, tiles, ["one", "two"], list("abc"), 0.5)])
    words = {text.get_text() for text in figure.texts}
    assert words == {"a title", caption, "one", "two", *"abc", "0.5", "−0.5"}
    figure.savefig(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    page = mosaic(tiles)[0]
    assert pixels.shape[1] == figure.get_figwidth() * 100
    views = np.lib.stride_tricks.sliding_window_view(pixels[..., 0], page.shape[:2])
    starts = np.argwhere((views[..., 30, 5:60] == page[30, 5:60, 0]).all(-1))
    assert any((pixels[y : y + len(page), x : x + len(page[0])] == page).all() for y, x in starts)
    box = figure.bbox
    for text in figure.texts:
        extent = text.get_window_extent()
        assert box.x0 <= extent.x0 < extent.x1 <= box.x1
        assert box.y0 <= extent.y0 < extent.y1 <= box.y1


# The command


def test_it_makes_all_pictures_and_prints_their_paths(command: Command, copied: Path) -> None:
    result = command("explain", copied)
    assert (result.status, result.err) == (0, "")
    paths = [copied / "explain" / name for name in EXPLAINED]
    assert result.out.splitlines() == list(map(str, paths))
    assert sorted((copied / "explain").iterdir()) == sorted(paths)
    before = [path.read_bytes() for path in paths]
    assert command("explain", copied).status == 0
    assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize(
    "name, blocks",
    [
        # Of each block the rows, the height of a cell, and whether its columns are labelled.
        ("comparison.png", [(2, 59, True), (1, 59, False)]),
        ("filters.png", [(8, 63, True), (8, 63, True), (1, 63, False)]),
        ("generator-maps.png", [(4, 59, True), (4, 59, True)]),
        ("discriminator-maps.png", [(4, 59, True), (4, 63, True), (4, 63, True)]),
        ("saliency.png", [(2, 59, True), (2, 59, True)]),
        ("interpolation.png", [(6, 59, True)]),
        ("walk.png", [(8, 59, True)]),
    ],
)
def test_sheets_are_as_high_as_what_they_hold(
    explained: Path, name: str, blocks: list[tuple[int, int, bool]]
) -> None:
    with Image.open(explained / "explain" / name) as picture:
        width, height = picture.size
    assert height == 40 + sum(53 + 18 * named + rows * cell for rows, cell, named in blocks)
    assert 400 < width < 1000


def test_the_nearest_image_is_found_wherever_it_is(
    explained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = explain.Trained(RunFolder(explained))
    chosen = np.array([1436, 0, 700, 99])
    real = run.images.batch(chosen, -1, 1)
    samples = real + np.array([0, 0.01, -0.02, 0.03], "f4")[:, None, None, None]
    for at_a_time in (1, 6400, 64 * 1437, 1 << 20):
        monkeypatch.setattr(explain, "_AT_A_TIME", at_a_time)
        found, distances = explain._nearest(run, samples)
        np.testing.assert_array_equal(found, real)
        np.testing.assert_allclose(distances, [0, 0.01, 0.02, 0.03], atol=1e-6)


def test_the_film_has_a_frame_for_each_picture_of_training(explained: Path) -> None:
    with (
        Image.open(explained / "explain" / "training.gif") as film,
        Image.open(explained / "samples" / "step-000006.png") as last,
    ):
        assert film.n_frames == 2
        assert film.size == (last.width, last.height + 28)
        film.seek(1)
        frame = np.asarray(film.convert("L"))
        np.testing.assert_array_equal(frame[28:], np.asarray(last))
        assert frame[:28].min() < 100  # words


def test_gradients_and_weights_are_drawn_over_the_steps(finished: Path) -> None:
    log = RunFolder(finished).read_log()
    above, *below = norms(log, "a title").axes
    for line, name in zip(above.lines, ("discriminator", "generator"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [2, 3, 4, 6])
        np.testing.assert_array_equal(line.get_ydata(), [x[f"{name}_gradient"] for x in log])
    assert above.get_yscale() == "log"
    values = log[-1]["singular_values"]
    for axes, owner in zip(below, ("discriminator", "generator"), strict=True):
        drawn = {f"{owner}.{line.get_label()}": line for line in axes.lines}
        assert drawn.keys() == {name for name in values if name.startswith(owner)}
        for name, line in drawn.items():
            np.testing.assert_array_equal(line.get_xdata(), [3, 6])
            assert line.get_ydata()[-1] == values[name]
    assert len(norms([{**line, "singular_values": None} for line in log], "").axes) == 1


def test_the_log_has_the_singular_values_of_the_weights(finished: Path) -> None:
    values = RunFolder(finished).read_log()[-1]["singular_values"]
    weight = nn.load(finished / "discriminator.npz").named_state()["0.weight"].numpy()
    largest = np.linalg.svd(weight.reshape(9, 4).astype(float), compute_uv=False)[0]
    assert values["discriminator.0.weight"] == pytest.approx(largest, rel=1e-12)


def test_logs_from_before_gradients_were_logged(command: Command, copied: Path) -> None:
    log = RunFolder(copied).read_log()
    before = [{k: v for k, v in line.items() if "gradient" not in k} for line in log]
    (copied / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in before))
    assert RunFolder(copied).read_log() == before
    result = command("explain", copied)
    assert result.status == 0
    assert "no training.png: the log has no gradients" in result.err


def test_elsewhere_and_with_data_that_moved(
    command: Command, finished: Path, tmp_path: Path
) -> None:
    np.save("here.npy", data.digits().pixels[:20])
    tiny = ["--set", "width=4", "--set", "sample_every=9", "--batch", 8, "--steps", 2, "--quiet"]
    assert command("train", *tiny, "--data", "here.npy", "--out", "r").status == 0
    Path("here.npy").rename("there.npy")
    assert command("explain", "r").status == 2
    result = command("explain", "r", "--data", "there.npy", "--out", "a/b")
    assert result.status == 0
    assert result.out.splitlines() == [f"a/b/{name}" for name in EXPLAINED[:-1]]
    assert "no training.gif" in result.err
    assert not Path("r/explain").exists()
    np.save("there.npy", data.digits().pixels[20:40])
    assert "data: got 20 images" in command("explain", "r", "--data", "there.npy").err


def test_networks_without_convolutions(command: Command) -> None:
    np.save("mine.npy", np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8))
    few = ["--data", "mine.npy", "--batch", 4, "--steps", 2, "--set", "hidden=9", "--quiet"]
    assert command("train", "mlp-mnist", *few, "--out", "r").status == 0
    result = command("explain", "r")
    assert result.status == 0
    made = {Path(line).name for line in result.out.splitlines()}
    assert set(EXPLAINED) - made == {"generator-maps.png", "discriminator-maps.png"}
    assert result.err.count("the network has no 2-d convolution") == 2


class Beside(nn.Module):
    """Two inputs through one network: noise or pixels with the class beside."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.classes = network, nn.Embedding(10, 5)

    def forward(self, x: Any, labels: Any) -> Any:
        return self.network(mg.concatenate([nn.Flatten()(x), self.classes(labels)], axis=1))


def generator() -> nn.Sequential:
    return nn.Sequential(nn.Dense(16), nn.Reshape(4, 4, 1), nn.UpSampling2D(2), nn.Tanh())


def judge() -> nn.Sequential:
    return nn.Sequential(nn.Conv2D(3, 3, 2), nn.Flatten(), nn.Dense(1))


GAMES = {
    "conditional": lambda: Game(
        Beside(generator()),
        Beside(nn.Dense(1)),
        latent=Normal(20),
        image_range=(-1, 1),
        conditioning=Labels(10),
    ),
    "packed": lambda: Game(generator(), Packed(judge(), 5), latent=Normal(3)),
    "codes": lambda: Game(generator(), judge(), latent=Codes(9, (3, 20), 2)),
}


@pytest.mark.parametrize("kind", GAMES)
def test_other_games(command: Command, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    recipe = SimpleNamespace(
        SETTINGS={"steps": 1, "batch": 10},
        load_data=lambda settings, path: data.digits(),
        make_trainer=lambda settings, shape, seed, device: Trainer(GAMES[kind](), seed=seed),
    )
    monkeypatch.setitem(RECIPES, kind, recipe)
    drawn: dict[str, list[Block]] = {}
    monkeypatch.setattr(
        explain, "save_sheet", lambda title, blocks, path: drawn.update({path.name: blocks})
    )
    assert command("train", kind, "--out", "r", "--quiet").status == 0
    assert command("explain", "r").status == 0
    (walk, *others), (ways,) = drawn["walk.png"], drawn["interpolation.png"]
    real = drawn["saliency.png"][0]
    assert len(real.columns) == len(real.tiles[0])
    if kind == "conditional":
        assert [row.partition("class ")[2] for row in ways.rows] == list("012345")
        assert len(walk.rows) == 10
        made = gan.load_generator("r/generator.npz", {"Beside": Beside}).sample(1, label=0)
        first = np.rint((made[0] + 1) / 2 * 255).repeat(3, axis=2)
        np.testing.assert_allclose(others[0].tiles[0][0], first, atol=1)
        assert (walk.columns[0], walk.columns[-1]) == ("−2.5", "2.5")
        assert list(others[0].columns) == [f"class {k}" for k in range(10)]
    elif kind == "packed":
        assert len(real.columns) == 10
        assert len(set(real.columns)) == 2  # two packs of five images, with a score each
        assert len(drawn["discriminator-maps.png"][0].tiles) == 4
    else:
        # Never a number between two classes, or two of them at once.
        continuous, few, many = others
        assert [row.rpartition("  ")[0] for row in walk.rows] == [
            f"noise number {k}" for k in range(1, 10)
        ]
        assert [row.rpartition("  ")[0] for row in continuous.rows] == [
            "continuous code 1", "continuous code 2"
        ]  # fmt: skip
        assert (walk.columns[0], walk.columns[-1]) == ("−2.5", "2.5")
        assert (continuous.columns[0], continuous.columns[-1]) == ("−1", "1")
        assert list(few.columns) == ["c1 = 0", "c1 = 1", "c1 = 2"]
        assert few.caption == "the same noise with every value of the code c1"
        assert many.caption.endswith(f"of the code c2: the first {len(many.columns)} of 20")
        made = gan.load_generator("r/generator.npz").sample(6, code=2)
        shown = np.rint((made + 1) / 2 * 255).repeat(3, axis=3)
        np.testing.assert_allclose([row[2] for row in few.tiles], shown, atol=1)


def test_a_walk_leaves_the_classes_of_codes_alone() -> None:
    latent = Codes(20, (3,), 2)
    for names, effects, ways in explain._ways(latent, np.diag(np.arange(25.0))):
        assert len(names) == len(effects) == len(ways)
        assert not ways[:, 20:23].any()
        np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1)
        np.testing.assert_allclose(effects**2, ways**2 @ np.arange(25.0))


def test_numbers_of_a_run_that_diverged_are_short(
    command: Command, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, list[Block]] = {}
    monkeypatch.setattr(
        explain, "save_sheet", lambda title, blocks, path: drawn.update({path.name: blocks})
    )
    slope = np.ones((12, 8, 8, 1))
    for scale, wanted in ((1.0, "−1.21"), (7e15, "−8.5e15")):
        scores = np.full((12, 1), -1.2124 * scale)
        monkeypatch.setattr(explain.inside, "saliency", lambda *_, s=scores: (s, slope))
        explain.draw_saliency(explain.Trained(RunFolder(finished)), Path("saliency.png"))
        assert {*drawn["saliency.png"][0].columns} == {wanted}


# Errors, and what belongs to whom


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("explain", ["RUN"]),
        ("explain nowhere", ["'nowhere'"]),
        ("explain .", ["not the folder of a run", "config.json"]),
        ("explain r --out=", ["--out", "wanted a path"]),
    ],
)
def test_what_is_no_run(command: Command, tmp_path: Path, arguments: str, words: list[str]) -> None:
    result = command(*arguments.split())
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    for word in words:
        assert word in result.err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_explained(
    command: Command, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator_file = command("explain", copied / "generator.npz")
    assert generator_file.status == 2
    assert "wanted the folder of a run" in generator_file.err
    Path("taken").touch()
    assert "out: 'taken' can't be made" in command("explain", copied, "--out", "taken").err
    (copied / "state.npz").rename("kept.npz")
    assert "state.npz' is missing" in command("explain", copied).err
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert 'needs Pillow, of the extra "cli"' in command("explain", copied).err
    assert not (copied / "explain").exists()


def test_overwrite_removes_the_pictures_and_only_those(
    command: Command, explained: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(explained, tmp_path / "run"))
    (run / "explain" / "mine.png").write_text("mine")
    (run / "explain" / ".minigan-00ff.tmp").touch()
    assert command("train", "--resume", "--out", run, "--quiet").status == 0
    assert (run / "explain" / "walk.png").exists()
    assert command("train", "--overwrite", "--steps", 1, "--out", run, "--quiet").status == 0
    assert [path.name for path in (run / "explain").iterdir()] == ["mine.png"]
    shutil.rmtree(run)
    shutil.copytree(explained, run)
    assert command("train", "--overwrite", "--steps", 1, "--out", run, "--quiet").status == 0
    assert not (run / "explain").exists()
    (run / "explain").write_text("a file of someone")
    assert command("train", "--overwrite", "--steps", 1, "--out", run, "--quiet").status == 0
    assert (run / "explain").read_text() == "a file of someone"


def test_the_pictures_are_the_runs_own(command: Command, explained: Path) -> None:
    folder = RunFolder(explained)
    assert all(folder.owns(explained / "explain" / name) for name in EXPLAINED)
    assert not folder.owns(explained / "explain" / "mine.png")
    refused = command("sample", explained, "-o", explained / "explain" / "walk.png")
    assert refused.status == 2
    assert "is a file of the run itself" in refused.err
    assert json.loads(folder.config.read_text())["recipe"] == "digits"


def test_filters_that_see_more_than_the_image_are_not_in_colour() -> None:
    weight = np.random.default_rng(0).normal(size=(3, 3, 3, 4))  # grey, and two planes of labels
    labelled, coloured = (explain._filters("first", weight, channels) for channels in (1, 3))
    assert "3 inputs × 4 outputs" in labelled.caption and labelled.rows == ["in 0", "in 1", "in 2"]
    assert "4 of 4 filters" in coloured.caption
    assert "4 of 4 inputs" in explain._filters("last", weight.swapaxes(2, 3), 3).caption
