"""``minigan sample``, ``info`` and ``recipes``: what is there, and what it makes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .. import nn
from ..files import Entry, FileError, load_arrays, read_header, save_arrays, write_atomically
from ..gan import SavedGenerator, load_generator
from ..gan.conditioning import codes_for, labels_for
from ..gan.heads import MODULES
from ..gan.state import FORMAT as TRAINER
from ..nn.files import FORMAT as MODULE
from ..nn.files import rebuild
from ..recipes import RECIPES
from .config import recipe_named, settings_of
from .folder import RunFolder
from .pictures import save_grid
from .words import check_room, compact, require, shown

_SUFFIXES = (".png", ".npy", ".npz")


def sample(asked: argparse.Namespace) -> int:
    """Run ``minigan sample``."""
    source = existing(asked.source)
    if source.is_dir():
        source = source / "generator.npz"
    target = Path(asked.output) if asked.output else source.parent / f"sample-seed{asked.seed}.png"
    _check_target(target, source)
    saved = load_generator(source)
    check_room(
        f"count: {asked.count:,} images",
        asked.count * saved.sample(1).nbytes,
        "draw fewer at a time, with another --seed for each",
    )
    try:
        labels = labels_for(saved.conditioning, asked.label, asked.count)
        codes_for(saved.latent, asked.code, asked.count)
    except ValueError as error:  # of label or code, which are options here
        raise ValueError(f"--{error}") from error
    images = saved.sample(asked.count, asked.seed, labels, asked.code)
    _write(saved, images, labels, target, asked.seed)
    print(target)
    return 0


def _check_target(target: Path, source: Path) -> None:
    if target.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"output: got {target.name!r}, wanted a name that ends in {', '.join(_SUFFIXES)}"
        )
    if target.suffix.lower() == ".png":
        require("PIL")
    folders = map(RunFolder, target.resolve().parents[:2])
    if target.resolve() == source.resolve() or any(f.owns(target) for f in folders):
        raise ValueError(f"output: {str(target)!r} is a file of the run itself; name another one")


def _write(
    saved: SavedGenerator, images: np.ndarray, labels: np.ndarray | None, target: Path, seed: int
) -> None:
    images = images.astype(np.float32, copy=False)
    if target.suffix.lower() == ".png":
        save_grid(images, saved.image_range, target)
    elif target.suffix.lower() == ".npy":
        write_atomically(target, lambda file: _write_npy(file, images))
    else:
        notes = {"format": "minigan.images/1", "image_range": saved.image_range, "seed": seed}
        told = {} if labels is None else {"labels": labels}
        save_arrays(target, {"images": images, **told}, notes)


def _write_npy(file: BinaryIO, array: np.ndarray) -> None:
    """As ``numpy.save``, which writes past Python and so can't say why the disk refused."""
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    file.write(array.data)


def info(asked: argparse.Namespace) -> int:
    """Run ``minigan info``."""
    source = existing(asked.source)
    print("\n".join(_of_run(RunFolder(source)) if source.is_dir() else _of_file(source)))
    return 0


def _of_run(folder: RunFolder) -> list[str]:
    config = folder.read_config()
    lines = [f"run        {folder.path}", f"recipe     {config.recipe}"]
    done = _steps_done(folder.state) if folder.state.exists() else 0
    lines.append(f"steps      {done:,} of {config.steps:,} done")
    log = folder.read_log()
    if log:
        last = log[-1]
        lines.append(
            f"last log   step {last['step']:,}: loss D {compact(last['discriminator_loss'], 4)}, "
            f"G {compact(last['generator_loss'], 4)}, D(x) {compact(last['real_score'], 4)}, "
            f"D(G(z)) {compact(last['fake_score'], 4)}"
        )
    best = folder.read_best()
    if best is not None:
        figures = f"{best['metric']} {best['value']:.4g}, real images {best['real_value']:.4g}"
        lines.append(f"best       step {best['step']:,}: {figures}")
    lines.append(f"data       {config.data or 'of the recipe'}: {config.images}")
    if config.class_names:
        lines.append(f"classes    {config.numbered_classes()}")
    lines += [f"minigan    {config.minigan}", "", "settings"]
    lines += _table({k: v for k, v in config.flat().items() if k not in ("steps", "data")})
    for name in ("generator", "discriminator"):
        path = folder / f"{name}.npz"
        if path.exists():
            lines += ["", name, *_of_file(path)]
    return lines


def _steps_done(state: Path) -> int:
    arrays, _ = load_arrays(state, format=TRAINER)
    return int(arrays["count.step"])


def _of_file(path: Path) -> list[str]:
    header, entries = read_header(path)
    if header["format"] == MODULE:
        module = nn.load(path, MODULES)
        lines = []
        if "latent" in nn.read_notes(path):
            saved = load_generator(path)
            low, high = saved.image_range
            lines = [f"latent     {saved.latent}", f"range      [{low:g}, {high:g}]"]
        return [*lines, module.summary()]
    if header["format"] == TRAINER:
        lines = [f"state      of a trainer, step {_steps_done(path):,}, seed {header.get('seed')}"]
        for name in ("generator", "discriminator"):
            lines += ["", name, _rebuilt(header, name, path)]
        return lines
    rest = {key: value for key, value in header.items() if key != "format"}
    return [f"format     {header['format']}", *_table(rest), "arrays", *_arrays(entries)]


def _rebuilt(header: Mapping[str, Any], name: str, path: Path) -> str:
    if not isinstance(header.get(name), dict):
        raise FileError(f"{path}: its header has no {name}")
    return rebuild(header[name], MODULES, str(path)).summary()


def _arrays(entries: Mapping[str, Entry]) -> list[str]:
    return _table({name: f"{shape} {dtype}" for name, (shape, dtype) in entries.items()})


def recipes(asked: argparse.Namespace) -> int:
    """Run ``minigan recipes``."""
    if asked.name is not None:
        about = (recipe_named(asked.name).__doc__ or "").strip()
        lines = [about, "", "settings", *_table(_with_cadence(asked.name))]
    else:
        lines = []
        for name, module in RECIPES.items():
            lines += [(module.__doc__ or name).strip().splitlines()[0]]
            lines += [
                "    " + "  ".join(f"{k}={shown(v)}" for k, v in module.SETTINGS.items()),
                "",
            ]
        lines.append("Change a setting with: minigan train RECIPE --set KEY=VALUE")
    print("\n".join(lines))
    return 0


def _with_cadence(name: str) -> dict[str, Any]:
    """The settings with their defaults; a default that follows from others is told in words."""
    settings = settings_of(name)
    return {k: "an eighth of the steps" if v is None else v for k, v in settings.items()}


def _table(values: Mapping[str, Any]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"    {key:<{width}}  {shown(value)}" for key, value in values.items()]


def existing(text: str) -> Path:
    """The path of a run's folder or of a file, or the error that says it is neither."""
    path = Path(text)
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {text!r}")
    if path.is_dir() and not (path / "config.json").exists():
        raise FileNotFoundError(f"{text!r} is not the folder of a run: it has no config.json")
    return path
