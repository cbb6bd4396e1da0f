"""A module in a file: its weights together with its architecture, so that nothing else is needed.

The architecture is the tree of constructor calls, as JSON. Only this package's layers and the
classes that the caller names are ever rebuilt from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import FileError, load_arrays, read_header, save_arrays
from . import initializers
from .module import Module

FORMAT = "minigan.module/1"
_INITIALIZERS = {
    c.__name__: c
    for c in (
        initializers.Constant,
        initializers.Normal,
        initializers.Uniform,
        initializers.Scaled,
        initializers.Orthogonal,
    )
}


def save(module: Module, path: str | Path, notes: Mapping[str, Any] | None = None) -> None:
    """Write ``module`` (built) to ``path``, a ``.npz`` without pickles.

    ``notes`` (ready for JSON) go into its header and come back from ``read_notes``.
    """
    header = {"format": FORMAT, **describe(module), "notes": dict(notes or {})}
    save_arrays(path, module.state_dict(), header)


def read_notes(path: str | Path) -> dict[str, Any]:
    """The notes that a module was saved with."""
    notes = read_header(path)[0].get("notes")
    return notes if isinstance(notes, dict) else {}


def load(path: str | Path, custom: Mapping[str, type[Module]] | None = None) -> Module:
    """The module in the file, in evaluation mode. ``custom`` names classes that are not minigan's.

    Raises ``FileError`` for a file that is damaged, not a module's, or of unknown classes.
    """
    header, _ = read_header(path)
    if header.get("format") != FORMAT:
        raise FileError(f"{path}: got format {header.get('format')!r}, wanted {FORMAT!r}")
    module = rebuild(header, custom, str(path))
    expected = {name: (p.shape, p.dtype) for name, p in module.named_state().items()}
    arrays, _ = load_arrays(path, format=FORMAT, expected=expected)
    module.load_state_dict(arrays)
    return module.eval()


def describe(module: Module) -> dict[str, Any]:
    """What ``rebuild`` needs: the architecture and the input shapes, ready for JSON."""
    module.require_built()
    return {"architecture": architecture(module), "input_shapes": module._shapes}


def architecture(value: Any) -> Any:
    """A constructor call as JSON: {"class", "args", "kwargs"}, and so on for its arguments."""
    if isinstance(value, Module):
        args, kwargs = value._arguments
        return {
            "class": type(value).__name__,
            "args": [architecture(a) for a in args],
            "kwargs": {k: architecture(v) for k, v in kwargs.items()},
        }
    if type(value).__name__ in _INITIALIZERS and dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, "args": [], "kwargs": fields}
    if isinstance(value, (list, tuple)):
        return [architecture(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"can't save an argument of type {type(value).__name__} with the architecture: modules to "
        "be saved take modules, initialisers, numbers, strings and lists of those"
    )


def rebuild(
    header: Mapping[str, Any],
    custom: Mapping[str, type[Module]] | None = None,
    source: str = "architecture",
) -> Module:
    """The module that ``describe`` described, built, with fresh parameters."""
    from . import LAYERS

    known = {**LAYERS, **_INITIALIZERS, **(custom or {})}
    try:
        module = _construct(header["architecture"], known)
        shapes = [tuple(shape) for shape in header["input_shapes"]]
        return module.build(*shapes, seed=0)
    except FileError as error:
        raise FileError(f"{source}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, MemoryError, RecursionError) as error:
        raise FileError(f"{source}: the architecture can't be rebuilt: {error}") from error


def _construct(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return tuple(_construct(v, known) for v in value)
    if not isinstance(value, dict):
        return value
    name = value["class"]
    if name not in known:
        raise FileError(
            f"class {name!r} is not one of minigan's; pass it as custom={{{name!r}: …}}"
        )
    args = [_construct(a, known) for a in value["args"]]
    return known[name](*args, **{k: _construct(v, known) for k, v in value["kwargs"].items()})
