"""What a run is made of: given options over a saved run's, or over the recipe's defaults."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from .. import __version__
from ..data import Images, resized
from ..data.folder import reading
from ..data.idx import mnist_test_set
from ..files import FileError
from ..recipes import RECIPES
from .words import progress, shown, unknown

FORMAT = "minigan.run/1"
CADENCE: dict[str, int | None] = {"log_every": 10, "sample_every": None, "save_every": 250}
"""How often to log, draw and save; None is an eighth of the steps. They change no result."""

# On resume; data is compared by what it holds.
_MAY_DIFFER = {"data", "device", "precision", "captured", "best", "classifier", *CADENCE}
_IN_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    type(None): "a text or null",
}
_WHOLE = {"steps": 1, "batch": 1, "seed": 0, **dict.fromkeys(CADENCE, 1)}  # with the least value


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a run, as ``config.json`` keeps it.

    ``settings`` are the recipe's own, without steps and batch; ``images`` tells by a checksum
    what the data were, and ``class_names`` what they call their classes, if anything;
    ``best`` is a metric and ``classifier`` the file that gives its features;
    ``precision`` is how a GPU multiplies, and ``captured`` whether its steps are graphs.
    """

    recipe: str
    seed: int
    steps: int
    batch: int
    data: str | None
    best: str | None
    classifier: str | None
    device: str
    precision: str
    captured: bool
    settings: dict[str, Any]
    log_every: int
    sample_every: int
    save_every: int
    images: str = ""
    class_names: tuple[str, ...] = ()
    minigan: str = __version__

    def text(self) -> str:
        """As JSON."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2) + "\n"

    def flat(self) -> dict[str, Any]:
        """Every value that an option can set, by name."""
        values = dataclasses.asdict(self)
        settings = values.pop("settings")
        told = ("recipe", "images", "class_names", "minigan")
        return {k: v for k, v in values.items() if k not in told} | settings

    def numbered_classes(self) -> str:
        """Which class is which, such as "0 cats, 1 dogs"; nothing where they have no names."""
        return ", ".join(f"{k} {name}" for k, name in enumerate(self.class_names))

    def identity(self) -> dict[str, Any]:
        """What a state must share with the run that goes on from it, besides the networks."""
        names = ("recipe", "batch", "settings", "images")
        return {name: value for name, value in dataclasses.asdict(self).items() if name in names}

    def recipe_settings(self) -> dict[str, Any]:
        """The settings that the recipe's functions take."""
        return {**self.settings, "steps": self.steps, "batch": self.batch}


def recipe_named(name: str) -> ModuleType:
    """The recipe's module, or an error with the nearest name."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]


def settings_of(name: str) -> dict[str, Any]:
    """All that --set can change of a recipe, with the defaults."""
    return {**recipe_named(name).SETTINGS, **CADENCE}


def given_options(asked: argparse.Namespace, recipe: str) -> dict[str, Any]:
    """What the command line sets, by name, whether by an option of its own or by --set."""
    paths = ("data", "best", "classifier")
    options = ("seed", "steps", "batch", *paths, "device", "precision", "captured")
    named = {name: getattr(asked, name) for name in options}
    given = {name: value for name, value in named.items() if value is not None}
    defaults = settings_of(recipe)
    for pair in asked.set:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"--set: got {pair!r}, wanted KEY=VALUE")
        if key not in defaults:
            raise unknown(f"setting of {recipe}:", key, defaults)
        if key in given:
            raise ValueError(f"{key} is given twice, as {shown(given[key])} and as {text}")
        given[key] = _parsed(key, text, defaults[key])
    for key, least in _WHOLE.items():
        if key in given and given[key] < least:
            raise ValueError(f"{key}: got {given[key]}, wanted a whole number of at least {least}")
    return given


def _parsed(key: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise ValueError(f"--set {key}: got {text!r}, wanted true or false")
        return words[text.lower()]
    is_whole = isinstance(default, int) or key in CADENCE
    try:
        number = int(text) if is_whole else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        kind = "a whole number" if is_whole else "a number"
        raise ValueError(f"--set {key}: got {text!r}, wanted {kind}")
    return number


def fresh(recipe: str, given: dict[str, Any]) -> Config:
    """The config of a new run."""
    paths = dict.fromkeys(("data", "best", "classifier"))
    where = {"device": "cpu", "precision": "auto", "captured": False}
    defaults = {"seed": 0, **paths, **where, **settings_of(recipe)}
    values = defaults | given
    if values["sample_every"] is None:
        values["sample_every"] = max(1, values["steps"] // 8)
    return _made(recipe, values)


def resumed(saved: Config, given: dict[str, Any], folder: Path) -> Config:
    """The saved run's config with what may differ; any other change is refused by name."""
    old = saved.flat()
    if given.get("steps", saved.steps) < saved.steps:
        raise ValueError(
            f"steps: the run in {folder} is one of {saved.steps}, got {given['steps']}; "
            "on a resumed run they may only grow"
        )
    for key, new in given.items():
        if key == "steps" or key in _MAY_DIFFER or new == old[key]:
            continue
        raise ValueError(
            f"{key}: the run in {folder} has {shown(old[key])}, got {shown(new)}; resume without "
            "it, or start another run with --out"
        )
    return _made(saved.recipe, {**old, **given}, saved.images)


def _made(recipe: str, values: dict[str, Any], images: str = "") -> Config:
    own = {field.name for field in dataclasses.fields(Config)} & values.keys()
    settings = {key: value for key, value in values.items() if key not in own}
    return Config(
        recipe=recipe, settings=settings, images=images, **{key: values[key] for key in own}
    )


def images_of(
    config: Config, path: str | None = None, quiet: bool = False, is_new: bool = False
) -> Images:
    """The run's images, or those at ``path``, where they may be now; many files with progress."""
    look = None if quiet else lambda files: progress(files, "picture", delay=1)
    token = reading.set(look)
    try:
        found = recipe_named(config.recipe).load_data(config.recipe_settings(), path or config.data)
    except FileNotFoundError as error:
        if is_new or path is not None:
            raise
        raise FileNotFoundError(
            f"{error}; say with --data PATH where the run's data are now"
        ) from None
    finally:
        reading.reset(token)
    return cast(Images, found)


def held_out(config: Config, images: Images, path: str | None = None) -> Images | None:
    """Images like ``images`` that the run learns nothing from, if its data have such a part.

    They are the recipe's own, or MNIST's test set. ``path`` is where the data may be now.
    """
    path = path or config.data
    if path is None:
        found = getattr(recipe_named(config.recipe), "held_out", lambda: None)()
        return cast("Images | None", found)
    others = mnist_test_set(path)
    return None if others is None else resized(others, images.shape[:2], images.shape[2])


def with_images(config: Config, images: Images) -> Config:
    """The config with the data's checksum; refuses other data than the run was started with."""
    checksum = 0
    for array in (images.pixels, images.labels):
        if array is not None:
            checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
    size = "x".join(map(str, images.shape))
    found = f"{len(images)} images of {size}, crc32 {checksum:08x}"
    if config.images not in ("", found):
        raise ValueError(
            f"data: got {found}, but the run was started with {config.images}; "
            "name the same data with --data, or start another run with --out"
        )
    names = images.classes or ()
    if names == tuple(map(str, range(len(names)))):  # as classes without names are called
        names = ()
    return dataclasses.replace(config, images=found, class_names=names)


def read_config(path: Path) -> Config:
    """Read ``config.json``. Raises ``FileError``, naming the key, unless a run wrote it."""
    values = parsed_json(path)
    try:
        if values.pop("format", None) != FORMAT:
            raise ValueError(f"it has another format, wanted {FORMAT!r}")
        later = {"best": None, "classifier": None, "precision": "auto", "captured": False}
        values = {**later, "class_names": [], **values}  # which the first runs had not
        _check_keys(values, {field.name for field in dataclasses.fields(Config)})
        like = {**dict.fromkeys(values, ""), "settings": {}, "class_names": [], "captured": False}
        _check_values(values, like | _WHOLE | dict.fromkeys(("data", "best", "classifier")))
        names = tuple(map(str, values.pop("class_names")))
        config = Config(**values, class_names=names)
        defaults = recipe_named(config.recipe).SETTINGS
        _check_keys(config.recipe_settings(), defaults.keys())
        _check_values(config.recipe_settings(), defaults)
        for key, least in _WHOLE.items():
            if config.flat()[key] < least:
                raise ValueError(f"{key}: got {config.flat()[key]}, wanted at least {least}")
    except ValueError as error:
        raise FileError(
            f"{path} can't be used: {error}; mend it, or start again with --overwrite"
        ) from None
    return config


def parsed_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ``FileError`` if it is damaged."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # the second from very many brackets
        raise FileError(f"{path} is damaged: {error}") from None
    if not isinstance(values, dict):
        raise FileError(f"{path} is damaged: it holds no JSON object")
    return values


def _check_keys(values: Iterable[str], wanted: Iterable[str]) -> None:
    if missing := sorted(set(wanted) - set(values)):
        raise ValueError(f"{', '.join(missing)}: missing")
    if extra := sorted(set(values) - set(wanted)):
        raise ValueError(f"{', '.join(extra)}: unknown to this version")


def _check_values(values: dict[str, Any], like: dict[str, Any]) -> None:
    """Each value must have the type of its default; a whole number may stand for any number."""
    for key, value in values.items():
        default = like[key]
        kinds = {float: (float, int), type(None): (str, type(None))}
        if type(value) not in kinds.get(type(default), (type(default),)):
            wanted = _IN_WORDS[type(default)]
            raise ValueError(f"{key}: got {shown(value)}, wanted {wanted}")
