"""Captured steps: a step of a trainer as one CUDA graph, launched as a whole.

A step on a GPU is hundreds of small operations, and to ask for one takes the CPU longer than many
of them take the GPU. Here they are asked for once, while the stream is *captured*: nothing is done,
and a graph remembers what was to be done with which memory. A launch of it is a step.

What a graph was given as a number it keeps for good, and what Python decided by then is decided:
code of one's own runs for the capture and not again. So what changes from step to step lies in the
GPU's memory, a table that is written before each launch: the number of the step, which with the
draw's own gives the random numbers, and what each move of an optimiser takes, computed by the CPU
as for any step. Batches are copied to where the graph reads them. The bits are those of steps that
are not captured.

Nobody waits for a launch: a step's report is read from the GPU once one of its numbers is asked
for, and the CPU prepares the next steps in the meantime. Reports are also read when there are
``MOST_UNREAD`` of them, before a step that is taken without the graph, and before the run is
sampled, saved or moved. All this is for the thread that trains; another one is given
``Report(*report)``. A batch in pinned memory may be sent late: it is not to be written to before.

A bad loss or gradient is only seen by the CPU when it reads. By then the GPU has seen it too, and
has left weights and optimisers alone from that move on (``go``), in later launches as well. What
that step changed before, and what layers and cures keep, is put back from copies that the graph
makes first while all is well. Then the step is taken again without the graph, which says what went
wrong, as it does for any trainer, and the run is where it was before that step: later ones, which
``step_count`` has counted until then, are lost. So who looks into the networks themselves asks for
a number of the report first.

Before a capture some steps run as they are, on the stream and in the pool of memory that the graph
will have: kernels get compiled, and memory is there. Afterwards nobody else takes memory of that
pool, as the graph writes to it. Steps that the doctor watches are taken as they are. What can't be
captured makes the trainer go on without, and say so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backend import Array, array_module, capturing, library_on
from ..errors import CaptureWarning, NonFiniteError, NotCapturable, warn
from ..kernels import choice, cuda, gemm
from ..optim import Optimizer
from ..tensor import Tensor
from .cures import DISCRIMINATOR, GENERATOR, Cure, Moment
from .records import Batch, Move, Outcome, Sums, Unread
from .undoing import counters
from .update import Players, judged

if TYPE_CHECKING:
    from .trainer import Trainer

WARM_UP = 2
"""Steps alike that come before a capture."""

WIDTH = 8
"""Numbers in a row of the table: the first has the step and the average's share, each other one a
move's."""

MOST_UNREAD = 32
"""Steps whose reports are not read yet."""

JOINED = 8
"""Arrays that can be put together in a capture; of more, CuPy copies a list to the GPU."""


class Captured:
    """Takes a trainer's steps, captured as soon as can be.

    ``reason`` says why not, if so, and ``tell`` is called with that line, by default to warn of it.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.tell: Callable[[str], None] = lambda line: warn(line, CaptureWarning)
        self.forget()

    def read(self) -> None:
        """Wait for the steps that were launched, so that all is known of them.

        Raises ``NonFiniteError`` for the first bad one, the run being as it was before that.
        """
        if self._graph is not None:
            self._graph.read()

    def forget(self) -> None:
        """All that was captured: networks are elsewhere now."""
        self.reason = ""
        self._kind: Any = None
        self._alike = 0  # steps of that kind, one after the other
        self._place: _Place | None = None  # that no graph has yet
        self._graph: _Graph | None = None

    def step(self, batches: Sequence[Batch], plain: Callable[[], Outcome]) -> Outcome | Unread:
        """One step; ``plain`` takes it without a graph."""
        if self.reason:
            return plain()
        kind = _kind(self.trainer, batches)
        if self._graph is None or self._graph.kind != kind:
            self.read()
            if kind != self._kind:  # of another shape, for example
                self._kind, self._alike = kind, 0
            place = self._place = self._place or _Place(self.trainer.device)
            if self._alike < WARM_UP:
                self._alike += 1
                with place.in_use():
                    return plain()
            try:
                self._graph, self._place = _Graph(self.trainer, batches, kind, place), None
            except Exception as error:  # whatever it is, the step can be taken as it is
                known = isinstance(error, NotCapturable)
                said = str(error) if known else f"{type(error).__name__}: {error}"
                self.reason, self._graph, self._place = said.partition("\n")[0], None, None
                self.tell(f"steps are not captured, as {self.reason}")
                return plain()
        self._kind = kind
        return self._graph.step(batches)


def _kind(trainer: Trainer, batches: Sequence[Batch]) -> Any:
    """What a graph is for: batches alike, weights in the same memory and the same settings."""
    arrays = [array for b in batches for array in (b.images, b.condition)]
    shapes = [None if array is None else (array.shape, array.dtype.str) for array in arrays]
    weights = [id(parameter._array) for parameter in trainer._parameters.values()]
    return shapes, weights, gemm.precision.get(), choice.forced.get()


class _Place:
    """A stream, and a pool of memory."""

    def __init__(self, device: str) -> None:
        self.device, self.xp = device, library_on(device)
        self.pool = self.xp.cuda.MemoryPool()
        self.stream = self.xp.cuda.Stream(non_blocking=True)

    @contextmanager
    def in_use(self, pool: bool = True) -> Iterator[None]:
        """Within the block, work is done there: after what was asked for before the block, and
        before what is asked for after it.
        """
        library_on(self.device)
        outside, inside = self.xp.cuda.get_current_stream(), self.stream
        inside.wait_event(outside.record())
        memory = self.xp.cuda.using_allocator(self.pool.malloc) if pool else nullcontext()
        try:
            with inside, memory:
                yield
        finally:
            outside.wait_event(inside.record())


class _Launch(NamedTuple):
    """A step that was launched, and what it takes to come back to before it."""

    report: Unread
    slot: int  # of its figures among those that are kept
    counted: list[tuple[Any, dict[str, Array]]]  # by the optimisers, before it
    context: Context  # its caller's: whether gradients are recorded, how products are computed, …


class _Graph:
    """A captured step, and all memory that it uses."""

    def __init__(
        self, trainer: Trainer, batches: Sequence[Batch], kind: Any, place: _Place
    ) -> None:
        self.trainer, self.kind, self.place = trainer, kind, place
        self.sums: list[Sums] = []
        self.moves: list[Optimizer] = []
        self.launched = 0
        self.unread: deque[_Launch] = deque()
        moves = trainer.discriminator_steps + 1
        self.numbers = np.zeros((1 + moves, WIDTH))
        self.rows: list[np.ndarray] = []  # where each move's parameters lie
        # Alive as long as the graph, which only knows their addresses.
        self.weights = [parameter._array for parameter in trainer._parameters.values()]
        self.cublas = gemm._handle(place.xp)
        with place.in_use():
            self.table = place.xp.asarray(self.numbers)
            self.go = place.xp.ones(1)
            most = max(len(player.parameters) for player in trainer.players)
            self.where = place.xp.zeros((moves, most, cuda.WIDTH), "uint64")
            self.batches = [_copied(batch) for batch in batches]
            live = trainer._live_state()
            self.before = {name: live[name].copy() for name in _unguarded(trainer)}
            one = place.xp.ones((), np.result_type(trainer.game.dtype, "float32"))
            # What no other step has used is loaded now.
            cuda.go_if_finite(_joined([one] * 9), self.go)
            for dtype in {copy.dtype for copy in self.before.values()}:
                cuda.keep(place.xp.ones(1, dtype), place.xp.ones(1, dtype), self.go)
            place.stream.begin_capture()
            token = capturing.set(True)
            try:
                self.found = self._captured()
            except BaseException:
                with suppress(RuntimeError):  # it is over, and may say once more why
                    place.stream.end_capture()
                raise
            finally:
                capturing.reset(token)
            self.graph = place.stream.end_capture()
            for where, rows in zip(self.where, self.rows, strict=True):
                where[: len(rows)].set(rows)
        self.kept = place.xp.empty((MOST_UNREAD, self.found.size), self.found.dtype)

    def _captured(self) -> Array:
        """Ask for a step, with copies of what it may spoil; returns its figures."""
        trainer, live = self.trainer, self.trainer._live_state()
        for name, copy in self.before.items():
            cuda.keep(copy, live[name], self.go)
        streams = trainer._streams().later(self.table[0, :1])
        moment = Moment(trainer.step_count, streams, trainer._memories, judged=self._judged)
        later: list[Any] = [_Later(player, self) for player in trainer.players]
        scores = trainer._move(self.batches, moment, Players(*later))
        if trainer.average is not None:
            share = self.table[0, 1:2]
            trainer.average.update_later(trainer.game.generator, share, self.go)
        of_moves = [array for sums in self.sums for array in sums.arrays]
        return _joined([*of_moves, *trainer._mean_scores(scores)])

    def _judged(self, sums: Sums) -> Move:
        """Let the GPU judge a move; what it is worth is known when the step is over."""
        cuda.go_if_finite(_joined(sums.arrays), self.go)
        self.sums.append(sums)
        return Move(float("nan"), float("nan"))

    def step(self, batches: Sequence[Batch]) -> Unread:
        """Launch a step."""
        if len(self.unread) == MOST_UNREAD:
            self.read()
        trainer, place = self.trainer, self.place
        counted = [(p.state, counters(p)) for p in self.moves]
        share = 0.0 if trainer.average is None else trainer.average.share(trainer.step_count)
        self.numbers[0, :2] = trainer.step_count, share
        try:
            for row, optimizer in zip(self.numbers[1:], self.moves, strict=True):
                optimizer.advance()
                numbers = optimizer.numbers(optimizer.dtype)
                row[: len(numbers)] = numbers
        except BaseException:  # of a schedule, say
            _put_back(counted)
            raise
        slot = self.launched % MOST_UNREAD
        self.launched += 1
        with place.in_use(pool=False):
            for own, batch in zip(self.batches, batches, strict=True):
                cuda.keep(own.images, batch.images, self.go)
                if batch.condition is not None:
                    cuda.keep(own.condition, batch.condition, self.go)
            # By way of a copy, as the numbers are written anew before the GPU may have read them.
            self.table[...] = place.xp.asarray(self.numbers)
            self.graph.launch()
            self.kept[slot] = self.found
        for parameter in trainer._parameters.values():
            if parameter._version is not None:
                parameter._version[0] += 1
        report = Unread(trainer.step_count + 1, self.read)
        self.unread.append(_Launch(report, slot, counted, copy_context()))
        return report

    def read(self, wanted: Unread | None = None) -> None:
        """Tell the reports of all steps that were launched.

        Raises ``NonFiniteError`` for the first bad one, the run being as it was before that; but
        where one from before it is ``wanted``, the bad one is left for the next time.
        """
        if not self.unread:
            return
        with self.place.in_use(pool=False):
            kept = self.kept.tolist()
        while self.unread:
            report = self.unread[0].report
            try:
                outcome = self._outcome(kept[self.unread[0].slot])
            except NonFiniteError:
                if wanted is None or not wanted.is_told:
                    self._repeat()
                return
            report.tell(outcome.report(report.step))
            self.unread.popleft()

    def _outcome(self, values: Sequence[float]) -> Outcome:
        """A step's figures as what they are, if all of them are finite that must be."""
        rest = iter(values)
        moves = {s.player: judged(s, [next(rest) for _ in s.arrays])[0] for s in self.sums}
        return Outcome(moves[DISCRIMINATOR], moves[GENERATOR], *rest)

    def _repeat(self) -> None:
        """Go back to before the first step that is unread, and take it without the graph."""
        (bad, *later), self.unread = self.unread, deque()
        try:
            self._go_back(bad)
            bad.context.run(self._again, bad.report, len(later))
        except BaseException as error:
            message = str(error) or f"step {bad.report.step}: {type(error).__name__}"
            for launch in (bad, *later):
                if not launch.report.is_told:
                    launch.report.tell(message)
            raise

    def _go_back(self, bad: _Launch) -> None:
        """Make the run what it was before a step."""
        trainer, steps = self.trainer, self.trainer.step_count - bad.report.step + 1
        with self.place.in_use(pool=False):
            self.go.fill(1)
        trainer._write(self.before)
        _put_back(bad.counted)
        trainer._count(-steps)
        if trainer.doctor is not None:
            trainer.doctor.forget(bad.report.step)

    def _again(self, bad: Unread, later: int) -> None:
        """Take a step that went badly without the graph, which raises what there is to say."""
        trainer = self.trainer
        report = trainer._taken(self.batches).report(bad.step)
        trainer._count(1)
        bad.tell(report)
        if trainer.doctor is not None:
            trainer.doctor.see(report, None, self.batches[-1])
        if later:
            message = (
                "it came upon a number that is not finite, and did not when it was repeated; the "
                f"{later} steps after it were not taken"
            )
            if trainer.doctor is not None:
                trainer.doctor.broke(bad.step, message)
            raise NonFiniteError(f"step {bad.step}: {message}")


class _Later:
    """A player's optimiser in a captured step: its numbers are a row of the table."""

    def __init__(self, optimizer: Optimizer, graph: _Graph) -> None:
        self.optimizer, self.graph, self.parameters = optimizer, graph, optimizer.parameters

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        graph, place = self.graph, len(self.graph.moves)
        numbers, where = graph.table[1 + place], graph.where[place]
        graph.moves.append(self.optimizer)
        rows = self.optimizer.step_later(gradients, numbers, graph.go, where)
        graph.rows.append(rows)


def _unguarded(trainer: Trainer) -> list[str]:
    """What a step changes on the GPU whatever ``go`` says, or may have changed before it is 0."""
    live = trainer._live_state()
    names = trainer._kept + [
        n for n in live if n.partition(".")[0].removesuffix("_optimizer") in trainer._early
    ]
    if any(type(cure).moved is not Cure.moved for cure in trainer.game.cures):
        names += trainer._parameters
    return [name for name in dict.fromkeys(names) if array_module(live[name]) is not np]


def _put_back(counted: Sequence[tuple[dict[str, Array], dict[str, Array]]]) -> None:
    """Write optimisers' counters back into their states."""
    for state, before in counted:
        for name, array in before.items():
            state[name][...] = array


def _copied(batch: Batch) -> Batch:
    condition = None if batch.condition is None else batch.condition.copy()
    return batch._replace(images=batch.images.copy(), condition=condition)


def _joined(arrays: Sequence[Array]) -> Array:
    """Numbers in arrays of no axes as one array of them."""
    xp, parts = array_module(arrays[0]), [array.reshape(-1) for array in arrays]
    while len(parts) > 1:
        parts = [xp.concatenate(parts[i : i + JOINED]) for i in range(0, len(parts), JOINED)]
    return parts[0]
