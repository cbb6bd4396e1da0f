"""A user's own code as an entry: ``package.module:object``."""

from __future__ import annotations

import copy
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ...errors import nearest
from ...nn import Module
from ..errors import WrongTypeError
from .draws import Rng, Shape, values
from .entries import Case, Entry
from .functional import functional


def user_entry(spec: str, shapes: Sequence[Shape] = ()) -> Entry:
    """The entry of the object at ``package.module:object``.

    It may be a ``Case``; a function ``(rng) -> Case``, whose one parameter is called rng; a
    ``Module`` or a class of one that needs no arguments; or a function of tensors. The last two
    are checked at normal random inputs of these ``shapes``, one for each input.
    """
    found = _imported(spec)
    if isinstance(found, Case):
        return Entry(spec, lambda rng: found)
    if isinstance(found, type) and issubclass(found, Module):
        found = _instance(spec, found)
    if isinstance(found, Module):
        return Entry(spec, _of_module(spec, found, shapes))
    if not callable(found) or isinstance(found, type):
        raise TypeError(
            f"{spec} is {_kind(found)}, wanted a Case, a function (rng) -> Case, a Module, or a "
            "function of tensors"
        )
    if _makes_cases(found):
        return Entry(spec, _of_maker(spec, found))
    _check_shapes(spec, found, shapes)
    return Entry(spec, lambda rng: _random_case(found, [values(rng, s) for s in shapes]))


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


# Finding it


def _imported(spec: str) -> Any:
    path, _, names = spec.partition(":")
    if not path or not names:
        raise ValueError(f"got {spec!r}, wanted package.module:object")
    found: Any = _module(path)
    for name in names.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            hint = nearest(name, dir(found))
            raise ValueError(f"{spec}: {path} has no {name!r}{hint}") from None
    return found


def _module(path: str) -> Any:
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise  # of something that the user's module imports
        parent, _, last = error.name.rpartition(".")
        places = getattr(import_module(parent), "__path__", []) if parent else None
        hint = nearest(last, [info.name for info in pkgutil.iter_modules(places)])
        if last == "py":
            hint = f" (a module has no ending: {parent})"
        raise ValueError(f"there is no module {error.name!r}{hint}") from None
    except ImportError:
        raise
    except SystemExit:
        raise ValueError(
            f"{path} can't be imported, as it ends the program: put what it runs under "
            'if __name__ == "__main__":'
        ) from None
    except Exception as error:
        message = f"{path} can't be imported: {type(error).__name__}: {error}"
        raise ValueError(message) from error


# What it is


def _makes_cases(function: Callable[..., Any]) -> bool:
    parameters = _parameters(function)
    return parameters is not None and list(parameters) == ["rng"]


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    try:
        return dict(inspect.signature(function).parameters)
    except ValueError:  # as some functions written in C
        return None


def _of_maker(spec: str, function: Callable[..., Any]) -> Callable[[Rng], Case]:
    def make(rng: Rng) -> Case:
        case = function(rng)
        if not isinstance(case, Case):
            raise WrongTypeError(
                f"{spec}(rng) returned {type(case).__name__}, wanted a Case of "
                "minigan.testing.registry"
            )
        return case

    return make


def _instance(spec: str, kind: type[Module]) -> Module:
    try:
        return kind()
    except TypeError as error:
        raise TypeError(
            f"{spec} can't be made without arguments ({error}): name an instance, or a function "
            "(rng) -> Case"
        ) from error


def _of_module(spec: str, module: Module, shapes: Sequence[Shape]) -> Callable[[Rng], Case]:
    """New inputs and new parameters in every draw, in a copy of the module in float64."""
    if not shapes and module.built and module._shapes is not None:
        shapes = [tuple(2 if n is None else n for n in shape) for shape in module._shapes]
    _check_shapes(spec, module.forward, shapes)
    if module.input_dtype is not None and np.dtype(module.input_dtype).kind != "f":
        raise TypeError(
            f"{spec} takes {module.input_dtype}, which have no gradient: give a function of its "
            "float tensors, or a function (rng) -> Case"
        )

    def make(rng: Rng) -> Case:
        mine = copy.deepcopy(module)
        if not mine.built:
            mine.build(*shapes, seed=0)
        mine.to("float64")
        inputs = [values(rng, shape) for shape in shapes]
        # Not as they are first drawn: a γ of one or a bias of zero hides terms.
        own = [p.numpy() + 0.3 * values(rng, p.shape) for p in mine.parameters()]
        return _random_case(functional(mine, mode=mine.training), [*inputs, *own])

    return make


def _random_case(function: Callable[..., Any], inputs: list[np.ndarray]) -> Case:
    return Case(function, inputs, {})


def _check_shapes(spec: str, function: Callable[..., Any], shapes: Sequence[Shape]) -> None:
    """Raise unless there is a shape for each input."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # as some functions written in C
        return
    if not shapes:
        raise ValueError(
            f"{spec}{signature} needs its inputs' shapes: --input 2x3 for each, the batch first "
            '("scalar" for 0-d)'
        )
    try:
        signature.bind(*shapes)
    except TypeError as error:
        raise ValueError(
            f"{spec}{signature} doesn't take {len(shapes)} input(s) ({error}): give --input "
            "once for each"
        ) from None
