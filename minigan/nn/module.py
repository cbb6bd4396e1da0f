"""Module: a function with parameters, known by dotted names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from ..arguments import float_dtype
from ..backend import FLOATS, Array, is_array, to_device
from ..errors import nearest
from ..random import Stream
from ..tensor import Tensor, TensorLike, as_tensor, no_grad
from .context import Building, building, mode_in_force, training, watcher_in_force
from .initializers import Initializer, initializer
from .summary import summary

M = TypeVar("M", bound="Module")
InputShape = tuple[int | None, ...]


class Parameter(Tensor):
    """A leaf tensor that belongs to a module: trained, or (``trainable=False``) only kept."""

    __slots__ = ()

    def __init__(self, data: TensorLike, trainable: bool = True, dtype: Any = None) -> None:
        super().__init__(data, requires_grad=trainable, dtype=dtype)


class Module:
    """A function with parameters, made of layers or of other modules.

    Assign parameters and modules (also lists, tuples and dicts of them) to attributes in
    ``__init__`` and compute the result in ``forward``. A layer whose parameters' shapes depend on
    its input overrides ``create(input_shape, …)``, which runs once, before the first forward.
    The constructor's arguments are remembered, so that a module can be saved with its architecture.
    """

    training = True
    per_sample = False
    """Whether each sample's result is a function of that sample alone, whatever its batch."""
    mixes_batch = False
    """Whether it is known that in training a sample's result hangs on the others of its batch.

    Neither this nor ``per_sample`` is so of a layer that does not say: nothing is known of it.
    """
    takes_condition = False
    """Whether it is called with (x, labels): ``Sequential`` hands the labels to such layers."""
    input_dtype: str | None = None  # of the input that build() tries; by default the layers' dtype

    def __new__(cls: type[M], *args: Any, **kwargs: Any) -> M:
        module = super().__new__(cls)
        module._arguments = (args, kwargs)
        return module

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    _created = False
    _shapes: tuple[InputShape, ...] | None = None  # of the inputs it was made for
    _dtypes: tuple[str | None, ...] = ()  # of those inputs, None for floats
    _name = ""

    def forward(self, *inputs: Any) -> Any:
        """The module's result for its inputs: what a subclass defines."""
        raise TypeError(f"{type(self).__name__} does not define forward()")

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        """Make the parameters that depend on the inputs' shapes, by ``add_parameter``."""

    def __call__(self, *inputs: Any) -> Any:
        if not self._created:
            scope = building.get()
            if scope is None:
                self.build(*(np.shape(as_array(x)) for x in inputs), like=inputs)
            else:
                self._make(scope, [as_array(x) for x in inputs])
        result = self.forward(*inputs)
        watcher = watcher_in_force.get()
        if watcher is not None:
            watcher(self, result)
        return result

    # Building

    def build(
        self: M,
        *input_shapes: InputShape,
        seed: int | None = None,
        prefix: str = "",
        like: tuple[Any, ...] | None = None,
    ) -> M:
        """Make all parameters for inputs of these shapes, batch axis first (None for any size).

        A parameter's first value is drawn from the stream keyed by ``seed`` and ``prefix`` + its
        dotted name, so neither the order of calls nor other modules change it. Without a seed
        the operating system's entropy is used. Shapes of inner layers are found by one forward
        pass on zeros, which also proves that the layers fit together. Returns the module.
        """
        if not input_shapes or not all(isinstance(s, (tuple, list)) for s in input_shapes):
            raise TypeError("build needs the shape of each input, such as build((None, 100))")
        if seed is not None and self.built and self.named_state():
            raise RuntimeError(
                f"{self.title} has its parameters already: build(seed={seed}) would not draw them"
            )
        seed = int.from_bytes(os.urandom(7), "little") if seed is None else seed
        names = {id(module): name for name, module in self.named_modules()}
        one = tuple((1, *shape[1:]) for shape in input_shapes)
        token = building.set(Building(seed, prefix, names))
        try:
            if not self._fits(one, like):  # then the error is to name the shape that was passed
                self._try(input_shapes, like)
        finally:
            building.reset(token)
        return self

    def _fits(self, shapes: tuple[InputShape, ...], like: tuple[Any, ...] | None) -> bool:
        """Whether the parameters can be made for these shapes; if so, they are."""
        try:
            self._try(shapes, like)
        except (ValueError, TypeError):
            return False
        return True

    def _try(self, shapes: tuple[InputShape, ...], like: tuple[Any, ...] | None) -> None:
        """One forward pass on zeros, which makes the parameters."""
        unmade = [module for _, module in self.named_modules() if not module._created]
        try:
            with no_grad(), training(False):
                self(*self.trial_inputs(shapes, like))
        except BaseException:
            for module in unmade:  # half a module would refuse the right shape later
                module._created = False
            raise

    def _make(self, scope: Building, inputs: list[Any]) -> None:
        """Create the parameters for these inputs, under the name that the scope knows."""
        self._name = scope.names.get(id(self), "")
        self.create(*(x.shape for x in inputs))
        for name, module in self.named_modules(self._name):  # create() may have made modules
            scope.names.setdefault(id(module), name)
        self._shapes = tuple((None, *x.shape[1:]) for x in inputs)
        self._dtypes = tuple(None if x.dtype in FLOATS else str(x.dtype) for x in inputs)
        self._created = True

    def trial_inputs(
        self, shapes: tuple[InputShape, ...], like: tuple[Any, ...] | None = None
    ) -> list[Array]:
        """Zeros of these shapes: of ``like``'s dtypes, of earlier inputs', or (None) its own.

        An axis of any size, None, has a size of 1. They are on the device of the parameters that
        there are already.
        """
        made = self.first_parameter()
        device = "cpu" if made is None else made.device
        own = next((m.dtype for _, m in self.named_modules() if hasattr(m, "dtype")), "float32")
        if like is None:
            others = ["int64" if self.takes_condition else None] * len(shapes)
            dtypes = [known or own for known in (self._dtypes or (self.input_dtype, *others))]
        else:
            dtypes = [own if x is None else as_array(x).dtype for x in like]
        return [
            to_device(np.zeros([1 if n is None else n for n in shape], dtype), device)
            for shape, dtype in zip(shapes, dtypes, strict=False)
        ]

    def add_parameter(
        self,
        name: str,
        shape: tuple[int, ...],
        init: str | Initializer = "zeros",
        trainable: bool = True,
        fans: tuple[int, int] | None = None,
        dtype: Any = "float32",
    ) -> None:
        """Set attribute ``name`` to a new parameter; for use in ``create``.

        ``fans`` are the (inputs, outputs) of one unit, which most initialisers scale by.
        """
        scope = building.get()
        if scope is None:
            raise RuntimeError("add_parameter works only inside create(); see Module.build")
        path = ".".join(
            part for part in (scope.prefix, scope.names.get(id(self), ""), name) if part
        )
        values = initializer(init)(Stream(scope.seed, f"init/{path}"), shape, fans or (1, 1))
        setattr(self, name, Parameter(values, trainable, dtype=dtype))

    def __getattr__(self, name: str) -> Any:
        # Reached only for what isn't there: such as the weight of a layer that is not built.
        declared = any(name in getattr(c, "__annotations__", {}) for c in type(self).__mro__)
        if declared and not self._created:
            self.require_built()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def built(self) -> bool:
        """Whether all parameters exist."""
        return all(m._created or type(m).create is Module.create for _, m in self.named_modules())

    @property
    def is_per_sample(self) -> bool:
        """Whether every module inside is ``per_sample``: then two batches can be taken as one.

        A class that overrides ``forward`` has to say so anew.
        """
        return all(_says_per_sample(type(module)) for _, module in self.named_modules())

    @property
    def mixing(self) -> list[str]:
        """The modules inside that ``mixes_batch``, as ``title`` would call them from here."""
        modules = self.named_modules()
        return [_title(module, name) for name, module in modules if module.mixes_batch]

    def require_built(self) -> None:
        """Raise the error that names ``build`` unless all parameters exist."""
        if not self.built:
            raise RuntimeError(
                f"{type(self).__name__} has no parameters yet, as it has not seen an input's "
                "shape: call build(input_shape), such as build((None, 100)), or the module itself"
            )

    # What is inside

    def children(self) -> Iterator[tuple[str, Any]]:
        """The (name, parameter or module) pairs held directly, in the order of assignment."""
        own = vars(self).items()
        yield from _members("", ((name, value) for name, value in own if name != "_arguments"))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Every module inside, this one first under the name ``prefix``, each once."""
        return ((name, held) for name, held in self._held(prefix) if isinstance(held, Module))

    def named_state(self) -> dict[str, Parameter]:
        """Every parameter by dotted name, trained or not; one that is shared appears once."""
        self.require_built()
        return {name: held for name, held in self._held() if isinstance(held, Parameter)}

    def _held(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Every module inside, each followed by its own parameters; nothing twice."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inner = []
            for name, value in module.children():
                name = f"{path}.{name}" if path else name
                if isinstance(value, Module):
                    inner.append((name, value))
                elif id(value) not in seen:
                    seen.add(id(value))
                    yield name, value
            stack += reversed(inner)

    def named_parameters(self) -> dict[str, Parameter]:
        """The trained parameters by dotted name."""
        return {name: p for name, p in self.named_state().items() if p.requires_grad}

    def parameters(self) -> list[Parameter]:
        """The trained parameters."""
        return list(self.named_parameters().values())

    def first_parameter(self) -> Parameter | None:
        """The first one found, trained or not: its dtype and device are those of all, as a rule."""
        for _, value in self.children():
            found = value if isinstance(value, Parameter) else value.first_parameter()
            if found is not None:
                return found
        return None

    # State

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter, trained or not, by dotted name."""
        return {name: parameter.numpy() for name, parameter in self.named_state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write the arrays of ``state`` into the parameters; all are checked before any is."""
        own = self.named_state()
        problems = [
            f"missing {name!r}" + nearest(name, state.keys() - own.keys())
            for name in own.keys() - state.keys()
        ]
        problems += [f"unexpected {name!r}" for name in state.keys() - own.keys()]
        problems += [
            f"{name!r} has shape {np.shape(state[name])}, wanted {own[name].shape}"
            for name in own.keys() & state.keys()
            if np.shape(state[name]) != own[name].shape
        ]
        problems += [
            f"{name!r} has dtype {dtype}, wanted real numbers"
            for name in own.keys() & state.keys()
            if (dtype := _dtype(state[name])).kind not in "biuf"
        ]
        if problems:
            raise ValueError("state does not fit this module: " + "; ".join(sorted(problems)))
        for name, parameter in own.items():
            parameter.assign(state[name])

    # Modes, devices, dtypes

    def train(self: M, mode: bool = True) -> M:
        """Let layers behave as in training (dropout drops, batch norm uses the batch)."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Let layers behave as in use (no dropout, batch norm with its running statistics)."""
        return self.train(False)

    @property
    def in_training(self) -> bool:
        """The mode in force: that of an enclosing ``training(…)`` block, else the module's own."""
        mode = mode_in_force.get()
        return self.training if mode is None else mode

    def to(self: M, target: Any) -> M:
        """Move the parameters to a device ("cpu", "cuda", "cuda:1") or convert them to a dtype.

        The parameters stay the same objects. Make optimisers afterwards, or move them too.
        """
        is_device = isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda")
        dtype = "" if is_device else float_dtype("to", target, ', or a device such as "cuda"')
        for parameter in self.named_state().values():
            array = parameter._array
            moved = to_device(array, target) if is_device else array.astype(dtype)
            if moved is array:
                continue
            parameter._array = moved
            if parameter._version is not None:
                parameter._version[0] += 1
        if not is_device:
            for _, module in self.named_modules():
                if "dtype" in vars(module):
                    vars(module)["dtype"] = dtype
        return self

    # For layers

    def input(self, x: TensorLike, rank: str, ndim: int | None = None) -> Tensor:
        """x as a tensor of this layer's dtype and of ``ndim`` axes, spelt ``rank`` in errors.

        Without ``ndim`` it needs two at least, the batch's and the channels'.
        """
        x = as_tensor(x)
        dtype = getattr(self, "dtype", None)
        if x.ndim < 2 if ndim is None else x.ndim != ndim:
            raise ValueError(f"{self.title}: got an input of shape {x.shape}, wanted {rank}")
        if dtype is not None and x.dtype != dtype:
            raise TypeError(
                f"{self.title}: got a {x.dtype} input, but its parameters are {dtype}: convert "
                f"the input with .astype({dtype!r}) or the module with .to({str(x.dtype)!r})"
            )
        return x

    def check_channels(self, x: Tensor, wanted: int) -> None:
        """Raise unless the last axis of x is what the parameters were made for."""
        if x.shape[-1] != wanted:
            raise ValueError(
                f"{self.title}: got an input of shape {x.shape} with {x.shape[-1]} channels, "
                f"but it was built for {wanted}"
            )

    @property
    def title(self) -> str:
        """How errors call this module: its class, and its dotted name where known."""
        return _title(self, self._name)

    def summary(self, *input_shapes: InputShape) -> str:
        """A table of the layers with their output shapes and parameter counts."""
        return summary(self, input_shapes)

    def __repr__(self) -> str:
        args, kwargs = self._arguments
        parts = [repr(a) for a in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
        return f"{type(self).__name__}({', '.join(parts)})"


def _title(module: Module, name: str) -> str:
    return type(module).__name__ + (f" {name!r}" if name else "")


def each_tensor(change: Callable[[Any], Any], value: Any) -> Any:
    """What a network gave, with every tensor in it changed: one, None, or a tuple or list of those.

    A named tuple, such as the outputs of a discriminator with heads, stays one.
    """
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        return change(value)
    parts = [each_tensor(change, part) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else parts


def _says_per_sample(kind: type[Module]) -> bool:
    """What the first class says that defines ``per_sample``; no, if ``forward`` comes before."""
    for owner in kind.__mro__:
        if "per_sample" in vars(owner):
            return vars(owner)["per_sample"]
        if "forward" in vars(owner):
            return False
    return False


def _members(prefix: str, items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    for key, value in items:
        if isinstance(value, (Module, Parameter)):
            yield f"{prefix}{key}", value
        elif isinstance(value, (list, tuple)):
            yield from _members(f"{prefix}{key}.", enumerate(value))
        elif isinstance(value, dict):
            yield from _members(f"{prefix}{key}.", value.items())


def as_array(value: Any) -> Any:
    """The array inside a tensor, or ``value`` as one."""
    if isinstance(value, Tensor):
        return value._array
    return value if is_array(value) else np.asarray(value)


def _dtype(value: Any) -> np.dtype:
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
