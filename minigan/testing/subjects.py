"""What is checked: a function with the gradients it claims, as NumPy arrays in and out.

A ``Subject`` hides whether the function is made of tensors or of arrays, and on which device it
runs; it raises the named errors of functions that can't be checked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from ..autograd import grad
from ..backend import device_of, is_array, to_device
from ..tensor import Tensor, recording, substituted
from .errors import MutatedInputError, NoPathError, NotDeterministicError, WrongTypeError
from .probes import Arrays

Claims = list[Any]
"""One gradient for each input, as it was returned but on the host; None where there is none."""


class Subject(Protocol):
    """A function of arrays and what it says its gradients are."""

    inputs: list[np.ndarray]
    """The point of the check, float64."""
    names: list[str]
    """What the inputs are called in messages."""

    def values(self, arrays: Arrays) -> list[np.ndarray]:
        """Its outputs at ``arrays``."""

    def gradients(self, arrays: Arrays, cotangents: Sequence[Arrays]) -> list[Claims]:
        """For each of ``cotangents`` (one array for each output), the gradient of each input."""


class TensorFunction:
    """A function of tensors, differentiated by the tape."""

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        self.function = function
        self.inputs, self.devices = _point(inputs)
        self.names = [f"input {i}" for i in range(len(self.inputs))]

    def values(self, arrays: Arrays) -> list[np.ndarray]:
        # Tracked inputs: the function may itself take gradients, as a penalty does.
        return [y.detach().numpy() for y in self.outputs(self.tracked(arrays))]

    def gradients(self, arrays: Arrays, cotangents: Sequence[Arrays]) -> list[Claims]:
        xs = self.tracked(arrays)
        outputs = self.outputs(xs)
        last = len(cotangents) - 1
        return [
            [
                None if g is None else np.array(to_device(g.detach()._array, "cpu"))
                for g in self.grad(outputs, xs, vs, retain_graph=k < last)
            ]
            for k, vs in enumerate(cotangents)
        ]

    def grad(
        self, outputs: Sequence[Tensor], xs: Sequence[Tensor], vs: Sequence[Any], **how: Any
    ) -> Sequence[Tensor | None]:
        """The tape's gradients of Σ⟨outputs, vs⟩, None for an input that is not used."""
        placed = [
            v if isinstance(v, Tensor) else _there(np.asarray(v, y.dtype), y.device)
            for v, y in zip(vs, outputs, strict=True)
        ]
        return grad(outputs, xs, placed, allow_unused=True, **how)

    def tracked(self, arrays: Arrays) -> list[Tensor]:
        """Fresh leaves of these values, on the inputs' devices."""
        pairs = zip(arrays, self.devices, strict=True)
        return [Tensor(a, requires_grad=True, device=None if d == "cpu" else d) for a, d in pairs]

    def outputs(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """The function's tensors at ``xs``, as a list."""
        return self.listed(self.function(*xs))

    @staticmethod
    def listed(result: Any) -> list[Tensor]:
        """What the function returned, as a list; an error where it holds anything else."""
        listed = list(result) if isinstance(result, (tuple, list)) else [result]
        for i, y in enumerate(listed):
            if not isinstance(y, Tensor):
                where = f" as output {i}" if len(listed) > 1 else ""
                raise WrongTypeError(
                    f"function: returned {_kind(y)}{where}, wanted a Tensor or a sequence of them"
                )
        if not listed:
            raise WrongTypeError("function: returned an empty sequence, wanted at least one Tensor")
        return listed


class LayerFunction(TensorFunction):
    """A layer or network as a function of its inputs and of its trained parameters.

    It is a copy in float64, so that the user's keeps its dtype, gradients and statistics; one
    that is not built yet is built for the inputs.
    """

    def __init__(self, layer: Any, inputs: Sequence[Any]) -> None:
        points = _point(inputs)[0]
        twin = copy.deepcopy(layer)
        if not twin.built:
            twin.build(*(x.shape for x in points), seed=0)
        twin.to("float64")
        _check_parameters(twin)
        named = {name: p for name, p in twin.named_state().items() if p.requires_grad}
        super().__init__(twin, [*inputs, *named.values()])
        self.count, self.parameters = len(points), list(named.values())
        self.names[self.count :] = [f"parameter {name!r}" for name in named]

    def outputs(self, xs: Sequence[Tensor]) -> list[Tensor]:
        with substituted(self.parameters, xs[self.count :]):
            return self.listed(self.function(*xs[: self.count]))


def _check_parameters(network: Any) -> None:
    """Raise for a weight that neither a check nor an optimiser would find."""
    found = {id(parameter) for parameter in network.named_state().values()}
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        own = {n: value for n, value in vars(module).items() if n != "_arguments"}
        for name, value in own.items():
            for place, weight in _weights(name, value):
                if id(weight) in found:
                    continue
                if type(weight) is not Tensor:
                    raise WrongTypeError(
                        f"function: {prefix}{place} of {type(module).__name__} is a Parameter in "
                        "an object that is no Module, so that it would be neither checked nor "
                        f"trained: derive {type(value).__name__} from nn.Module"
                    )
                raise WrongTypeError(
                    f"function: {prefix}{place} of {type(module).__name__} is a "
                    "Tensor with requires_grad, wanted a Parameter: as it is it would be neither "
                    f"checked nor trained; write self.{name} = nn.Parameter(…)"
                )


def _weights(
    name: str, value: Any, inside: bool = False, depth: int = 3
) -> Iterator[tuple[str, Tensor]]:
    """Leaves that are trained, but found by no module: in containers, and in plain objects."""
    if not depth:
        return
    if isinstance(value, Tensor):
        if value.requires_grad and value.is_leaf and (inside or type(value) is Tensor):
            yield name, value  # a Parameter is of a class of its own
    elif isinstance(value, (list, tuple)):
        for i, one in enumerate(value):
            yield from _weights(f"{name}[{i}]", one, inside, depth - 1)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _weights(f"{name}[{key!r}]", one, inside, depth - 1)
    elif not inside and hasattr(value, "__dict__") and not hasattr(value, "named_modules"):
        for attribute, one in vars(value).items():
            yield from _weights(f"{name}.{attribute}", one, True, depth - 1)


class ArrayFunction:
    """Two callables on arrays: ``forward(*inputs)``, and ``vjp(cotangent, *inputs)``."""

    def __init__(
        self, forward: Callable[..., Any], vjp: Callable[..., Any], inputs: Sequence[Any]
    ) -> None:
        self.forward, self.vjp = forward, vjp
        self.inputs, self.devices = _point(inputs)
        self.names = [f"input {i}" for i in range(len(self.inputs))]

    def values(self, arrays: Arrays) -> list[np.ndarray]:
        return self._call(self._placed(arrays))[0]

    def gradients(self, arrays: Arrays, cotangents: Sequence[Arrays]) -> list[Claims]:
        return [self._pull_back(arrays, vs) for vs in cotangents]

    def _pull_back(self, arrays: Arrays, cotangents: Arrays) -> Claims:
        xs = self._placed(arrays)
        # The forward first, as code that keeps something for its backward expects.
        several = self._call(xs)[1]
        vs = [v.copy() for v in cotangents]
        if self.devices and self.devices[0] != "cpu":
            vs = [to_device(v, self.devices[0]) for v in vs]
        result = self.vjp(tuple(vs) if several else vs[0], *xs)
        for i, (before, after) in enumerate(zip(cotangents, vs, strict=True)):
            _check_same(f"vjp: wrote to its cotangent {i}", before, after)
        for i, (before, after) in enumerate(zip(arrays, xs, strict=True)):
            _check_same(f"vjp: wrote to input {i}", before, after)
        listed = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(listed) != len(xs):
            raise WrongTypeError(
                f"vjp: returned {len(listed)} gradients for {len(xs)} inputs; wanted one for each, "
                "None for an input that has none"
            )
        for i, g in enumerate(listed):
            if g is not None and not is_array(g) and not _is_number(g):
                raise WrongTypeError(
                    f"vjp: returned {_kind(g)} as the gradient of input {i}, wanted an array"
                )
        return [None if g is None else _host(g) for g in listed]

    def _placed(self, arrays: Arrays) -> list[Any]:
        return [to_device(a.copy(), d) for a, d in zip(arrays, self.devices, strict=True)]

    def _call(self, xs: Sequence[Any]) -> tuple[list[np.ndarray], bool]:
        """The outputs, and whether they came as a sequence."""
        before = [to_device(x, "cpu").copy() for x in xs]
        result = self.forward(*xs)
        several = isinstance(result, (tuple, list))
        listed = list(result) if several else [result]
        for i, (old, new) in enumerate(zip(before, xs, strict=True)):
            _check_same(f"forward: wrote to input {i}", old, new)
        for y in listed:
            if not is_array(y) and not _is_number(y):
                raise WrongTypeError(
                    f"forward: returned {_kind(y)}, wanted an array or a sequence of them"
                )
            if np.iscomplexobj(y):
                raise WrongTypeError("forward: returned complex numbers for real inputs")
        if not listed:
            raise WrongTypeError("forward: returned an empty sequence, wanted at least one array")
        return [_host(y).astype(np.float64, copy=False) for y in listed], several


def tensor_subject(function: Any, inputs: Sequence[Any]) -> TensorFunction:
    """A function of tensors to check, or a layer with its parameters."""
    if not callable(function):
        raise TypeError(f"function: got {_kind(function)}, wanted something that can be called")
    is_layer = hasattr(function, "named_state") and not isinstance(function, type)
    return LayerFunction(function, inputs) if is_layer else TensorFunction(function, inputs)


@contextmanager
def judging() -> Iterator[None]:
    """The tape is on, and numbers that overflow are judged, not warned of."""
    token = recording.set(True)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        recording.reset(token)


def check_contract(subject: Subject) -> list[np.ndarray]:
    """The subject's outputs, once it is seen to give the same bits twice.

    Raises the error of what it does instead.
    """
    first, again = subject.values(subject.inputs), subject.values(subject.inputs)
    if [y.shape for y in first] != [y.shape for y in again] or not all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(first, again, strict=True)
    ):
        raise NotDeterministicError(
            "function: called twice with the same inputs it gave different values; fix its random "
            "numbers (a Stream made inside it, say), so that it is a function"
        )
    if isinstance(subject, TensorFunction):
        _check_tensors(subject)
    return first


def _check_tensors(subject: TensorFunction) -> None:
    xs = subject.tracked(subject.inputs)
    outputs = subject.outputs(xs)
    for i, (x, before) in enumerate(zip(xs, subject.inputs, strict=True)):
        _check_same(f"function: wrote to input {i}", before, x.detach()._array)
    if xs and not any(y.requires_grad for y in outputs):
        raise NoPathError(
            "function: none of its outputs is tracked, so no gradient can reach an input; was "
            "detach(), numpy() or no_grad() used inside?"
        )


def _point(inputs: Sequence[Any]) -> tuple[list[np.ndarray], list[str]]:
    """The inputs as float64 arrays on the host, and the devices that they came from."""
    if isinstance(inputs, Tensor) or is_array(inputs) or np.isscalar(inputs):
        raise TypeError("inputs: got one array, wanted a list of them, such as [x]")
    arrays = [x.detach()._array if isinstance(x, Tensor) else x for x in inputs]
    if not arrays:
        raise ValueError("inputs: got none, wanted at least one to differentiate for")
    devices = [device_of(a) if is_array(a) else "cpu" for a in arrays]
    found = []
    for i, a in enumerate(arrays):
        plain = np.asarray(to_device(a, "cpu") if is_array(a) else a)
        if plain.dtype.kind not in "biuf" or np.ma.is_masked(a):
            raise TypeError(f"inputs[{i}]: got {_what(a, plain)}, wanted real numbers")
        if (
            is_array(a) and plain.dtype.kind != "f"
        ):  # ids or a mask; a list is numbers written short
            raise TypeError(
                f"inputs[{i}] is {plain.dtype}: it would be differentiated as float64; put what is "
                "not differentiated in a closure, such as lambda x: f(x, ids)"
            )
        found.append(np.array(plain, np.float64))
        if not np.isfinite(found[i]).all():
            raise ValueError(f"inputs[{i}]: has values that are not finite")
    return found, devices


def _there(array: np.ndarray, device: str) -> Any:
    """``array`` on a device, in its own order, which a copy to a GPU would not keep."""
    turned = device != "cpu" and array.flags.fnc
    return to_device(array.T, device).T if turned else to_device(array, device)


def _what(value: Any, plain: np.ndarray) -> str:
    return "a masked array" if np.ma.is_masked(value) else f"dtype {plain.dtype}"


def _check_same(what: str, before: np.ndarray, after: Any) -> None:
    if not np.array_equal(before, to_device(after, "cpu"), equal_nan=True):
        raise MutatedInputError(f"{what}; work on a copy")


def _host(value: Any) -> np.ndarray:
    """A copy: what the user's code returned may be a view, or a buffer that it writes to again."""
    if not is_array(value) and not isinstance(value, np.generic):
        value = float(value)
    return np.array(to_device(value, "cpu") if is_array(value) else value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (np.generic, int, float, complex)) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
