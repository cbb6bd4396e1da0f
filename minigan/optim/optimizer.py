"""What all optimisers share: from gradients to new weights, written in place.

An optimiser is made with its settings, then bound to parameters; everything it remembers is an
array in ``state``, the learning rate and the step count included, so that saving those arrays
saves it whole.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from ..arguments import number
from ..backend import Array, array_module, capturing, device_of, is_array, to_device
from ..errors import DeviceError, NotCapturable
from ..files import in_words
from ..kernels import cuda
from ..kernels.blocks import BLOCK, each_block
from ..nn.module import Module
from ..tensor import Tensor
from .clipping import clip_by_norm, clip_by_value
from .schedules import Schedule

O = TypeVar("O", bound="Optimizer")  # noqa: E741
Target = Module | Mapping[str, Tensor] | Iterable[Tensor]


class Optimizer:
    """What all optimisers share. ``slots`` names the arrays kept beside each parameter.

    ``lr`` is a number or a schedule, a function of the number of steps taken so far. Gradients
    are clipped first by value to [−clip_value, clip_value], then to a joint norm of clip_norm.
    """

    slots: tuple[str, ...] = ()
    elementwise = False
    """Whether ``update`` does the same to every element, so that parts can be updated by turns."""
    kernel = ""
    """The GPU's kernel that does what ``update`` does, but to all parameters at once."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "update" in vars(cls) and "kernel" not in vars(cls):
            cls.kernel = ""  # what it does is its own

    def __init__(
        self,
        lr: float | Schedule,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.schedule = lr if callable(lr) else None
        first = number("lr", lr(0) if callable(lr) else lr, "[0, inf)")
        self.clip_norm = clip_norm if clip_norm is None else _bound("clip_norm", clip_norm)
        self.clip_value = clip_value if clip_value is None else _bound("clip_value", clip_value)
        self.first_lr = float(first)
        self.parameters: dict[str, Tensor] = {}
        self.state: dict[str, Array] = {"lr": np.array(float(first)), "steps": np.array(0)}

    def bind(self: O, target: Target) -> O:
        """Optimise a module's parameters, or these tensors (by name, or numbered). Returns self."""
        if isinstance(target, Module):
            named: Mapping[str, Tensor] = target.named_parameters()
        elif isinstance(target, Mapping):
            named = target
        else:
            named = {str(i): p for i, p in enumerate(target)}
        for name, parameter in named.items():
            if not isinstance(parameter, Tensor) or not parameter.is_leaf:
                raise TypeError(f"parameter {name!r} is not a leaf tensor")
        if not named:
            raise ValueError("bind: there are no trained parameters to optimise")
        self.parameters, self.state = dict(named), self._first_state()
        for name, parameter in self.parameters.items():
            for slot in self.slots:
                array = parameter._array
                self.state[f"{slot}.{name}"] = array_module(array).zeros_like(array)
        return self

    def unbound(self: O) -> O:
        """A copy of the settings, not bound to anything, with a state of its own."""
        twin = copy.copy(self)
        twin.parameters = {}
        twin.state = self._first_state()
        return twin

    def _first_state(self) -> dict[str, Array]:
        """No steps taken yet: moments that start from zero are corrected by this count."""
        lr = self.lr if self.schedule is None else self.schedule(0)
        return {"lr": np.array(float(lr)), "steps": np.array(0)}

    def step(self, gradients: Sequence[Any] | None = None) -> None:
        """Update every parameter once, by ``gradients`` in their order or each one's ``grad``.

        A parameter whose gradient is None stays as it is.
        """
        if not self.parameters:
            raise RuntimeError("this optimiser has no parameters: call bind(module) first")
        clipped = self._ready(gradients)
        self.advance()
        for dtype, parts in self._apply(clipped).items():
            numbers = array_module(parts[0][0]).asarray(np.array(self.numbers(dtype), np.float64))
            cuda.update(self.kernel, parts, numbers)

    def step_later(
        self, gradients: Sequence[Any], numbers: Array, go: Array, table: Array
    ) -> np.ndarray:
        """``step`` as a captured one has it: what it does to the parameters, and nothing else.

        ``numbers`` is where in the GPU's memory ``numbers()`` will stand when this is done, ``go``
        is 0 there if nothing is to be, and ``table`` will have the rows that this returns.
        """
        parts = self._apply(self._ready(gradients))[self.dtype]
        return cuda.update(self.kernel, parts, numbers, go, table)

    def advance(self) -> None:
        """Count one more step, and take the learning rate of it."""
        if self.schedule is not None:
            steps = int(self.state["steps"])
            rate = self.schedule(steps)
            self.state["lr"][...] = number(f"lr after {steps} steps", rate, "[0, inf)")
        self.state["steps"] += 1

    def numbers(self, dtype: np.dtype) -> tuple[float, ...]:
        """What the kernel takes beside its arrays, for a step of weights of that dtype."""
        raise NotCapturable(f"{type(self).__name__} has no kernel")

    @property
    def dtype(self) -> np.dtype:
        """That of the parameters; ``NotCapturable`` if they have several."""
        first, *others = {parameter.dtype for parameter in self.parameters.values()}
        if others:
            raise NotCapturable("the parameters of a network are of several dtypes")
        return first

    def _ready(self, gradients: Sequence[Any] | None) -> list[Array | None]:
        """The gradients as arrays that go with the parameters, clipped."""
        parameters = list(self.parameters.items())
        given = [p.grad for _, p in parameters] if gradients is None else list(gradients)
        if len(given) != len(parameters):
            raise ValueError(f"gradients: got {len(given)} for {len(parameters)} parameters")
        self._check_slots()
        return self._clipped(
            [_array(name, p, g) for (name, p), g in zip(parameters, given, strict=True)]
        )

    def _apply(self, gradients: Sequence[Array | None]) -> dict[np.dtype, list[Any]]:
        """Update parameters that have no kernel; of the others what it takes, by dtype."""
        parts: dict[np.dtype, list[Any]] = {}
        for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
            if gradient is None:
                continue
            weight, slots = parameter._array, [self.state[f"{slot}.{name}"] for slot in self.slots]
            if self.kernel and _has_kernels(weight):
                parts.setdefault(weight.dtype, []).append((weight, gradient, *slots))
            elif capturing.get():
                raise NotCapturable(f"{type(self).__name__} has no kernel for {weight.dtype}")
            else:
                self._update(weight, gradient, *slots)
            if parameter._version is not None:
                parameter._version[0] += 1
        return parts

    def describe(self) -> dict[str, Any]:
        """Its class and settings, ready for JSON; a schedule ``in_words``."""
        plain = (bool, int, float, str, type(None))
        settings = {k: v for k, v in vars(self).items() if isinstance(v, plain)}
        return {"class": type(self).__name__, **settings, "schedule": in_words(self.schedule)}

    def to(self: O, device: str) -> O:
        """Move what is kept beside the parameters to where they were moved. Returns self."""
        for slot in (f"{slot}.{name}" for name in self.parameters for slot in self.slots):
            self.state[slot] = to_device(self.state[slot], device)
        return self

    def _check_slots(self) -> None:
        for name, parameter in self.parameters.items():
            for slot in self.slots:
                array = self.state[f"{slot}.{name}"]
                if _go_together(array, parameter._array):
                    continue
                if array.dtype != parameter.dtype:
                    raise TypeError(
                        f"parameter {name!r} is {parameter.dtype} now, but was another dtype when "
                        "this optimiser was bound: call bind again after Module.to"
                    )
                if device_of(array) != parameter.device:
                    raise DeviceError(
                        f"parameter {name!r} is on {parameter.device} now, but was on "
                        f"{device_of(array)} when this optimiser was bound: move it too, with "
                        f"optimizer.to({parameter.device!r})"
                    )

    def _update(self, *arrays: Array) -> None:
        """Update one parameter, a block at a time where its arrays are large."""
        small = arrays[0].size <= BLOCK or not self.elementwise
        if small or not all(a.flags.c_contiguous for a in arrays):
            self.update(*arrays)
        else:
            each_block(self.update, *arrays)

    def update(self, weight: Array, gradient: Array, *slots: Array) -> None:
        """Write the new weight and slots of one parameter in place."""
        raise TypeError(f"{type(self).__name__} does not define update()")

    def zero_grad(self) -> None:
        """Forget the parameters' gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @property
    def lr(self) -> float:
        """The learning rate of the last step, or of the first."""
        return float(self.state["lr"])

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Take over arrays as they stand in another's ``state``; all are checked before any is."""
        if state.keys() != self.state.keys():
            odd = sorted(state.keys() ^ self.state.keys())
            raise ValueError(f"state: these arrays are missing or unexpected: {', '.join(odd)}")
        for name, own in self.state.items():
            got = (np.shape(state[name]), getattr(state[name], "dtype", None))
            if got != (own.shape, own.dtype):
                raise ValueError(
                    f"state {name!r}: got shape {got[0]} and dtype {got[1]}, "
                    f"wanted {own.shape} and {own.dtype}"
                )
        for name, own in self.state.items():
            own[...] = to_device(state[name], device_of(own))

    def _clipped(self, gradients: list[Array | None]) -> list[Array | None]:
        if self.clip_value is not None:
            gradients = clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            gradients = clip_by_norm(gradients, self.clip_norm)
        return gradients

    def _scalars(self, dtype: np.dtype) -> tuple[Any, ...]:
        """``numbers`` as scalars of that dtype, so that they never widen the arrays."""
        real: Any = dtype.type
        return _converted(real, self.numbers(dtype))

    def _eps(self, dtype: np.dtype, eps: float) -> Any:
        # Not below what the dtype holds: float16 makes 0 of 1e-8, and NaN of a gradient of 0.
        return dtype.type(max(eps, float(np.finfo(dtype).smallest_normal)))


def _bound(name: str, value: Any) -> float:
    return number(name, value, "(0, inf]")


@lru_cache(maxsize=64)
def _converted(real: Any, numbers: tuple[float, ...]) -> tuple[Any, ...]:
    """Each number as one of that type: those of a step, which all parameters share, only once."""
    return tuple(map(real, numbers))


def _has_kernels(weight: Array) -> bool:
    return cuda.has_kernels(weight) and weight.flags.c_contiguous


def _go_together(array: Any, weight: Array) -> bool:
    """Whether both are on the CPU and of one dtype, as nearly always: a quick look."""
    return type(array) is type(weight) is np.ndarray and array.dtype is weight.dtype


def _array(name: str, parameter: Tensor, gradient: Any) -> Array | None:
    array = gradient._array if isinstance(gradient, Tensor) else gradient
    if array is None or (_go_together(array, parameter._array) and array.shape == parameter.shape):
        return array
    array = array if is_array(array) else np.asarray(array)
    if array.shape != parameter.shape:
        raise ValueError(f"gradient of {name!r}: got shape {array.shape}, wanted {parameter.shape}")
    if device_of(array) != parameter.device:
        raise DeviceError(
            f"gradient of {name!r}: got one on {device_of(array)}, wanted it on {parameter.device}"
        )
    return array.astype(parameter.dtype, copy=False)
