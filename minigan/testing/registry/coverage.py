"""What must be checked, and what was: names, kernels, settings."""

from __future__ import annotations

import inspect
import math
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from ... import gan, nn, ops
from ... import kernels as kernels_package
from ...autograd import grad
from ...gan.heads import MODULES
from ...gan.losses import LOSSES
from ...kernels import bilinear, convolution, planes
from ...kernels.choice import ALGORITHMS
from ...settings import config
from ...tensor import Tensor
from .cures import WITHOUT_GRADIENT
from .draws import LARGE
from .entries import ENTRIES, Case
from .losses import SIDES

PLAIN = {"equal", "greater", "greater_equal", "less", "less_equal", "moments", "not_equal"}
"""The functions that return plain arrays, and so have no gradient to check."""


# Names


def expected() -> list[str]:
    """The names that must have an entry.

    They are those of all public functions, layers, losses' sides, cures, discriminators put
    together and convolution algorithms.
    """
    functions = set(ops.__all__) - PLAIN
    losses = {f"{name}.{side}" for name in {*LOSSES, *_made_losses()} for side in SIDES}
    algorithms = {f"conv2d.{name}" for name in ALGORITHMS}
    cures = set(gan.CURES) - WITHOUT_GRADIENT
    return sorted(functions.union(nn.LAYERS, losses, algorithms, cures, MODULES))


def _made_losses() -> set[str]:
    """The public classes of losses that have no name of their own: those made of another loss."""
    named = {type(loss) for loss in LOSSES.values()}
    public = {name: getattr(gan, name) for name in gan.__all__}
    losses = {n for n, c in public.items() if inspect.isclass(c) and issubclass(c, gan.Loss)}
    return {name for name in losses if public[name] not in named | {gan.Loss}}


def missing() -> list[str]:
    """The expected names that have no entry."""
    return [name for name in expected() if name not in ENTRIES]


# Kernels


def kernels() -> dict[str, CodeType]:
    """The code of every public function and method of ``minigan.kernels``, by its name.

    But for the GPU's, which arrays of NumPy don't reach.
    """
    found: dict[str, CodeType] = {}
    for info in pkgutil.iter_modules(kernels_package.__path__):
        if info.name == "cuda":
            continue
        module = import_module(f"{kernels_package.__name__}.{info.name}")
        for owner in (module, *_own(module, inspect.isclass)):
            for function in _own(owner, inspect.isfunction):
                if not hasattr(function, "__wrapped__"):  # as a context manager: no kernel
                    found[f"{info.name}.{function.__qualname__}"] = function.__code__
    return found


def _own(owner: Any, kind: Any) -> Iterator[Any]:
    """What is public in a module or class, and was written there."""
    home = getattr(owner, "__module__", None) or owner.__name__
    for name, value in list(vars(owner).items()):
        if not name.startswith("_") and kind(value) and value.__module__ == home:
            yield value


def reached(case: Case) -> set[str]:
    """The names of the kernels that run in a case's forward, gradient and second gradient."""
    names = {id(code): name for name, code in kernels().items()}
    found: set[str] = set()

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and id(frame.f_code) in names:
            found.add(names[id(frame.f_code)])

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with forced(case.settings):
            _differentiate_twice(case)
    finally:
        sys.setprofile(before)
    return found


def _differentiate_twice(case: Case) -> None:
    xs = [Tensor(x, requires_grad=True) for x in case.inputs]
    result = case.function(*xs)
    outputs = [result] if isinstance(result, Tensor) else list(result)
    vs = [Tensor(np.ones(y.shape), requires_grad=True) for y in outputs]
    grad(outputs, xs, vs, allow_unused=True, retain_graph=True)  # its kernels may be others
    first = grad(outputs, xs, vs, create_graph=True, allow_unused=True)
    again = [g for g in first if g is not None and g.requires_grad]
    if again:
        grad(again, [*xs, *vs], [np.ones(g.shape) for g in again], allow_unused=True)


LIMITS = (
    (convolution, "COLUMNS_AT_A_TIME"),
    (bilinear, "PRODUCTS_AT_A_TIME"),
    (planes, "AT_A_TIME"),
)
"""How much convolutions do at a time."""


@contextmanager
def forced(settings: dict[str, Any]) -> Iterator[None]:
    """Within the block, kernels work as the case's settings say in place of as its size does.

    That is: the algorithm, where they name one, and how much is done at a time. The latter holds
    for the process: a check is not for several threads at once.
    """
    limit = settings.get("columns_at_a_time")
    before = [getattr(kernel, name) for kernel, name in LIMITS]
    for (kernel, name), own in zip(LIMITS, before, strict=True):
        setattr(kernel, name, limit or own)
    try:
        with config(conv=settings.get("conv")):
            yield
    finally:
        for (kernel, name), own in zip(LIMITS, before, strict=True):
            setattr(kernel, name, own)


# Shapes and settings


def is_demanding(name: str, shapes: Sequence[Sequence[int]], settings: dict[str, Any]) -> bool:
    """Whether a case is large, has several channels in a batch, and settings of its own.

    That is: 24 elements in all; the largest input has axes of two or more at both ends; and one
    setting at least is not the default, where the entry has settings.
    """
    sizes = [math.prod(shape) for shape in shapes]
    largest = max(shapes, key=math.prod, default=())
    ends_are_several = len(largest) > 1 and min(largest[0], largest[-1]) > 1
    return sum(sizes) >= LARGE and ends_are_several and not is_default(name, settings)


class Spread(NamedTuple):
    """How a setting was drawn: distinct values, and the share that was not the default."""

    values: int
    share: float | None  # None where the setting has no default


def defaults(name: str) -> dict[str, Any]:
    """The default settings of the function, layer or loss of that name."""
    found: dict[str, Any] = {}
    for function in _makers(name):
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is not parameter.empty:
                found.setdefault(parameter.name, parameter.default)
    return found


def _makers(name: str) -> list[Any]:
    """What takes the settings: the function itself, or the constructors of a class."""
    if name in ops.__all__:
        return [getattr(ops, name)]
    owner = name.partition(".")[0]
    loss = LOSSES.get(owner)
    made = nn.LAYERS.get(name) or (None if loss is None else type(loss))
    made = getattr(gan, owner) if owner in {*gan.CURES, *MODULES, *_made_losses()} else made
    ancestors = made.__mro__[:-1] if made is not None else ()  # without object
    return [vars(c)["__init__"] for c in ancestors if "__init__" in vars(c)]


def is_default(name: str, settings: dict[str, Any]) -> bool:
    """Whether a case has settings, and every one of them is the default."""
    known = defaults(name)
    return bool(settings) and all(k in known and settings[k] == known[k] for k in settings)


def spreads(name: str, drawn: Iterable[dict[str, Any]]) -> dict[str, Spread]:
    """For each setting of the entry, how varied it was in the cases drawn."""
    known, cases = defaults(name), list(drawn)
    found: dict[str, Spread] = {}
    for key in dict.fromkeys(key for settings in cases for key in settings):
        values = [settings[key] for settings in cases if key in settings]
        other = [value for value in values if key in known and value != known[key]]
        share = len(other) / len(values) if key in known else None
        found[key] = Spread(len(set(map(repr, values))), share)
    return found
