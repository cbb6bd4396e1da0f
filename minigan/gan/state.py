"""The state of a run: everything that it is, as a flat dict of arrays, and as a file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import whole
from ..backend import Array, device_of, to_device
from ..errors import NonFiniteError
from ..files import FileError, in_words, load_arrays, save_arrays
from ..nn import Parameter
from ..nn.files import describe
from ..optim import MovingAverage
from .files import difference
from .game import Game
from .update import Players

if TYPE_CHECKING:
    from .captured import Captured
    from .doctor import Doctor

FORMAT = "minigan.trainer/1"
_OTHER_RATE = (
    "; to go on with another learning rate, load it into a trainer with the optimisers that it was "
    'saved with, and write the rate to trainer.players.generator.state["lr"][...], or to the '
    "discriminator's"
)


class Run:
    """What of a trainer is kept from step to step, and saved."""

    game: Game
    seed: int
    update: str
    first: str
    discriminator_steps: int
    players: Players
    average: MovingAverage | None
    doctor: Doctor | None
    captured: Captured | None
    _parameters: dict[str, Parameter]
    """Of both networks and the average, by dotted name."""
    _counters: dict[str, Array]
    _remembered: list[dict[str, Array]]
    """What each cure remembers."""
    _torn = ""
    """Why the state is not one between two steps, if so."""

    @property
    def step_count(self) -> int:
        """How many steps have been taken."""
        return int(self._counters["step"])

    def _read(self) -> None:
        """Wait for captured steps, so that all is known of them; raises what ``step`` does."""
        if self.captured is not None:
            self.captured.read()

    def state(self) -> dict[str, Array]:
        """A copy of everything that a run is: weights, moments, learning rates, counters."""
        self._require_whole()
        self._read()
        return {name: np.array(to_device(a, "cpu")) for name, a in self._live_state().items()}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go back to a state; its arrays are checked before anything is written."""
        live = self._live_state()
        if state.keys() != live.keys():
            odd = sorted(state.keys() ^ live.keys())
            raise ValueError(
                f"state: {len(odd)} arrays are missing or unexpected, the first {odd[0]!r}: "
                "it is of another architecture or other settings"
            )
        for name, own in live.items():
            _check(name, state[name], own)
        with suppress(NonFiniteError):  # from which one may well go back
            self._read()
        self._torn = "a state was not loaded to its end: load one to go on"
        arrays = ((name, np.asarray(state[name])) for name in live)
        self._write({name: to_device(a, device_of(live[name])) for name, a in arrays})
        self._torn = ""
        if self.doctor is not None:
            self.doctor.forget()

    def save(self, path: str | PathLike[str], notes: Mapping[str, Any] | None = None) -> None:
        """Write the state and the architecture to ``path``, a ``.npz``; see ``load``.

        ``notes``, ready for JSON, say what else the state belongs to, such as the data.
        """
        state = self.state()
        for name, array in state.items():
            if not np.isfinite(array).all():
                raise NonFiniteError(
                    f"step {self.step_count}: {name} is not finite, so the state is not saved"
                )
        save_arrays(path, state, {**self._header(), "notes": dict(notes or {})})

    def load(self, path: str | PathLike[str], notes: Mapping[str, Any] | None = None) -> None:
        """Go back to the state in ``path``, which must be of the same architecture and settings.

        With ``notes`` it must have been saved with the same ones.
        """
        expected = {name: (a.shape, np.dtype(a.dtype)) for name, a in self._live_state().items()}
        arrays, header = load_arrays(path, format=FORMAT, expected=expected)
        found = header.pop("notes", {})
        odd = difference(header, self._header())
        if notes is not None:
            odd = odd or difference(found, dict(notes))
        if odd:
            hint = _OTHER_RATE if odd.startswith("optimizers") else ""
            raise FileError(f"{fspath(path)!r} is of another run: its {odd}{hint}")
        self.load_state(arrays)

    def _require_whole(self) -> None:
        if self._torn:
            raise RuntimeError(self._torn)

    def _live_state(self) -> dict[str, Array]:
        parts: dict[str, Mapping[str, Array]] = {
            "generator_optimizer": self.players.generator.state,
            "discriminator_optimizer": self.players.discriminator.state,
            "count": self._counters,
        }
        parts |= {f"cure.{i}": memory for i, memory in enumerate(self._remembered)}
        weights = {name: parameter._array for name, parameter in self._parameters.items()}
        others = {f"{part}.{name}": a for part, held in parts.items() for name, a in held.items()}
        return weights | others

    def _all_parameters(self) -> dict[str, Parameter]:
        networks = {"generator": self.game.generator, "discriminator": self.game.discriminator}
        if self.average is not None:
            networks["average"] = self.average.module
        return {
            f"{owner}.{name}": parameter
            for owner, network in networks.items()
            for name, parameter in network.named_state().items()
        }

    def _write(self, arrays: Mapping[str, Array]) -> None:
        """Write checked arrays into the live state."""
        parameters, live = self._parameters, self._live_state()
        for name, value in arrays.items():
            if name in parameters:
                parameters[name].assign(value)  # so that a graph from before is known to be stale
            else:
                live[name][...] = value

    def _header(self) -> dict[str, Any]:
        """What a state belongs to, ready for JSON: another trainer must be alike to take it."""
        return {
            "format": FORMAT,
            "seed": self.seed,
            "update": self.update,
            "first": self.first,
            "discriminator_steps": self.discriminator_steps,
            "average": None if self.average is None else self.average.decay,
            "loss": in_words(self.game.loss),
            "latent": in_words(self.game.latent),
            "conditioning": in_words(self.game.conditioning),
            "cures": [in_words(cure) for cure in self.game.cures],
            "optimizers": [player.describe() for player in self.players],
            "generator": describe(self.game.generator),
            "discriminator": describe(self.game.discriminator),
        }


def _check(name: str, value: Any, own: Array) -> None:
    """Raise ``ValueError`` unless ``value`` can be written to that array of the state."""
    got = np.asarray(value) if not hasattr(value, "dtype") else value
    if got.shape != own.shape:
        raise ValueError(f"state {name!r}: got shape {got.shape}, wanted {own.shape}")
    if not np.can_cast(got.dtype, own.dtype, "same_kind"):
        raise ValueError(f"state {name!r}: got dtype {got.dtype}, wanted {own.dtype}")
    if name.startswith("count.") or name.endswith("_optimizer.steps"):
        whole(f"state {name!r}", got.item(), 0)
