"""A module in a file: its weights together with its architecture, so that nothing else is needed.

The architecture is the tree of constructor calls, as JSON. Only this package's layers and the
classes that the caller names are ever rebuilt from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

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


def save(module: Module, path: str | PathLike[str], notes: Mapping[str, Any] | None = None) -> None:
    """Write ``module`` (built) to ``path``, a ``.npz`` without pickles.

    ``notes`` (ready for JSON) go into its header and come back from ``read_notes``.
    """
    header = {"format": FORMAT, **describe(module), "notes": dict(notes or {})}
    save_arrays(path, module.state_dict(), header)


def read_notes(path: str | PathLike[str]) -> dict[str, Any]:
    """The notes that a module was saved with."""
    notes = read_header(path)[0].get("notes")
    return notes if isinstance(notes, dict) else {}


def load(path: str | PathLike[str], custom: Mapping[str, type[Module]] | None = None) -> Module:
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
    """What ``rebuild`` needs: the architecture, and of what shape and dtype the inputs are."""
    dtypes = {str(parameter.dtype) for parameter in module.named_state().values()}
    return {
        "architecture": architecture(module),
        "input_shapes": module._shapes,
        "input_dtypes": module._dtypes,
        "dtype": dtypes.pop() if len(dtypes) == 1 else None,  # what to() may have made of it
    }


def architecture(value: Any, seen: list[Module] | None = None) -> Any:
    """A constructor call as JSON: {"class", "args", "kwargs"}, and so on for its arguments.

    A module met before is {"again": k}, the k-th in the order in which calls end.
    """
    seen = [] if seen is None else seen
    if isinstance(value, Module):
        for k, module in enumerate(seen):
            if module is value:
                return {"again": k}
        args, kwargs = value._arguments
        call = {
            "class": type(value).__name__,
            "args": [architecture(a, seen) for a in args],
            "kwargs": {k: architecture(v, seen) for k, v in kwargs.items()},
        }
        seen.append(value)
        return call
    if type(value) in _INITIALIZERS.values():
        return {"class": type(value).__name__, "args": [], "kwargs": value._asdict()}
    if isinstance(value, (list, tuple)):
        return [architecture(v, seen) for v in value]
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
        module = _construct(header["architecture"], known, [])
        module._dtypes = tuple(header["input_dtypes"])
        if header["input_shapes"] is not None:
            module.build(*(tuple(shape) for shape in header["input_shapes"]), seed=0)
        module.require_built()
        return module if header["dtype"] is None else module.to(np.dtype(header["dtype"]))
    except FileError as error:
        raise FileError(f"{source}: {error}") from None
    except Exception as error:  # a stranger's file can make a constructor fail in any way
        raise FileError(f"{source}: the architecture can't be rebuilt: {error}") from error


def _construct(value: Any, known: Mapping[str, Any], made: list[Module]) -> Any:
    if isinstance(value, list):
        return tuple(_construct(v, known, made) for v in value)
    if not isinstance(value, dict):
        return value
    if "again" in value:
        return made[value["again"]]
    name = value["class"]
    if name not in known:
        raise FileError(
            f"class {name!r} is not one of minigan's; pass it as custom={{{name!r}: …}}"
        )
    args = [_construct(a, known, made) for a in value["args"]]
    kwargs = {k: _construct(v, known, made) for k, v in value["kwargs"].items()}
    result = known[name](*args, **kwargs)
    if isinstance(result, Module):
        made.append(result)
    return result
