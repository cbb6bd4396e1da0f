"""The folder of a run: which files it has, and the order that makes it safe to kill at any moment.

config.json is there before anything else. The log and the pictures may be ahead of state.npz,
never behind it, so that going back to the state is to cut them.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..files import FileError, read_header, write_text
from ..gan import Finding, Report
from ..gan.state import FORMAT as TRAINER
from ..nn.files import FORMAT as MODULE
from .config import Config, parsed_json, read_config

EXPLAINED = (
    "comparison.png",
    "filters.png",
    "generator-maps.png",
    "discriminator-maps.png",
    "saliency.png",
    "interpolation.png",
    "walk.png",
    "training.png",
    "training.gif",
)
"""What ``minigan explain`` makes, by default in the run's folder ``explain``."""

# In the order of removal: without its state a run starts afresh, whatever else is there.
_FILES = (
    "state.npz",
    "generator.npz",
    "discriminator.npz",
    "best.npz",
    "best.json",
    "samples.png",
    "curves.png",
    "log.jsonl",
    "findings.jsonl",
    *(f"explain/{name}" for name in EXPLAINED),
)
_OF_BEST = {
    "step": int,
    "metric": str,
    "source": str,
    "better": str,
    "value": float,
    "real_value": float,
}
_ALWAYS = Report._fields[:5]  # what logs have had from the first
_PICTURES = "step-*.png"
_TEMPORARY = ".minigan-*.tmp"  # what a kill within files.write_atomically leaves


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def config(self) -> Path:
        """The run's settings."""
        return self.path / "config.json"

    @property
    def log_file(self) -> Path:
        """A line for each logged step."""
        return self.path / "log.jsonl"

    @property
    def findings_file(self) -> Path:
        """A line for each thing that the doctor found."""
        return self.path / "findings.jsonl"

    @property
    def best(self) -> Path:
        """What is known of the best generator, which is beside it."""
        return self.path / "best.json"

    @property
    def state(self) -> Path:
        """The whole state of the trainer, to go on from."""
        return self.path / "state.npz"

    def is_free(self) -> bool:
        """Whether a new run can start here: nothing is lost by it."""
        self._require_possible()
        temporary = set(self.path.glob(_TEMPORARY))
        return not self.path.exists() or all(p in temporary for p in self.path.iterdir())

    def _require_possible(self) -> None:
        """Raise ``OSError`` if the folder neither exists nor could be made."""
        for part in (self.path, *self.path.parents):
            if part.is_symlink() and not part.exists():
                raise FileNotFoundError(
                    f"out: {str(self.path)!r} can't be made: {str(part)!r} is a link to nothing"
                )
            if part.exists():
                if part.is_dir():
                    return
                raise NotADirectoryError(
                    f"out: {str(self.path)!r} can't be made: {str(part)!r} is a file, "
                    "wanted a folder"
                )

    def read_config(self) -> Config:
        """The config of the run here. Raises ``FileError`` if there is none that can be used."""
        if not self.config.exists():
            raise self._not_a_run("it has no config.json")
        return read_config(self.config)

    def has_results(self) -> bool:
        """Whether there is something here that a fresh start would remove."""
        found = [self.path / name for name in _FILES]
        found += (self.path / "samples").glob(_PICTURES)
        return any(path.exists() and path.stat().st_size for path in found)

    def read_best(self) -> dict[str, Any] | None:
        """What is known of the best generator, if one was kept."""
        if not self.best.exists():
            return None
        found = parsed_json(self.best)
        if not _OF_BEST.items() <= {name: type(value) for name, value in found.items()}.items():
            raise FileError(f"{self.best} is damaged: it does not tell a figure")
        return found

    def write_config(self, config: Config) -> None:
        """Make this the folder of that run."""
        write_text(self.config, config.text())

    def require_run(self) -> None:
        """Raise ``FileError`` unless this looks like the folder of a run, of whatever version."""
        if not self.config.exists():
            raise self._not_a_run("it has no config.json")
        try:
            if str(parsed_json(self.config).get("format")).startswith("minigan.run/"):
                return
            reason = "minigan did not write its config.json"
        except FileError:
            reason = "its config.json is damaged"
        if not self._holds_networks():
            raise self._not_a_run(reason)

    def _holds_networks(self) -> bool:
        """Whether a state or a generator of ours is here, whatever became of the config."""
        for name, wanted in (("state.npz", TRAINER), ("generator.npz", MODULE)):
            try:
                if read_header(self.path / name)[0]["format"] == wanted:
                    return True
            except (OSError, FileError):
                continue
        return False

    def _not_a_run(self, reason: str) -> FileError:
        return FileError(
            f"{str(self.path)!r} does not look like the folder of a run: {reason}; "
            "choose another folder with --out"
        )

    def owns(self, path: Path) -> bool:
        """Whether ``path`` is a file that a run here makes, or within its samples."""
        place, own = path.resolve(), self.path.resolve()
        is_made = place in [own / name for name in (*_FILES, self.config.name)]
        return self.config.exists() and (is_made or place.parent == own / "samples")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other processes' runs out of it within the block."""
        self.make()
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FileError(f"another process is training in {str(self.path)!r}") from None
            except OSError:
                pass  # a file system without locks
            yield
        finally:
            os.close(handle)  # and with it the lock, as when the process is killed

    def make(self) -> None:
        """Make the folder if it is not there. Raises ``OSError``, naming it, if that can't be."""
        self._require_possible()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # Where files can't be made, as under /proc, ENOENT would be told of the wrong thing.
            reason = "not a place for files" if error.errno == errno.ENOENT else error.strerror
            message = f"out: {str(self.path)!r} can't be made: {reason}"
            raise OSError(error.errno, message) from error

    def clear(self) -> None:
        """Remove what a run made, and only that; its config is left to be replaced."""
        for name in _FILES:
            with suppress(FileNotFoundError, NotADirectoryError):  # someone's file "explain"
                (self.path / name).unlink()
        self.cut(-1)

    def cut(self, step: int) -> None:
        """Remove what belongs to later steps than ``step``, and what a kill left half-written."""
        for drawn, picture in self.pictures():
            if drawn > step:
                picture.unlink()
        for folder in (self.path, self.path / "samples", self.path / "explain"):
            for temporary in folder.glob(_TEMPORARY):
                temporary.unlink(missing_ok=True)
            if folder != self.path and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        if self.log_file.exists():
            kept = [line for line in self.read_log() if line["step"] <= step]
            write_text(self.log_file, "".join(json.dumps(line) + "\n" for line in kept))
        if self.findings_file.exists():
            found = [finding._asdict() for finding in self.read_findings() if finding.step <= step]
            write_text(self.findings_file, "".join(json.dumps(line) + "\n" for line in found))

    def picture(self, step: int) -> Path:
        """Where the samples drawn at ``step`` go."""
        (self.path / "samples").mkdir(exist_ok=True)
        return self.path / "samples" / f"step-{step:06d}.png"

    def pictures(self) -> list[tuple[int, Path]]:
        """The samples drawn in training, by step."""
        found = (self.path / "samples").glob(_PICTURES)
        named = [(picture.stem.removeprefix("step-"), picture) for picture in found]
        return sorted((int(number), picture) for number, picture in named if number.isdigit())

    # The log

    def log(self, report: Report, **more: Any) -> None:
        """Append one line: the report, and whatever more is known of that step."""
        self._append(self.log_file, report._asdict() | more)

    def note(self, finding: Finding) -> None:
        """Append one line to what the doctor found."""
        self._append(self.findings_file, finding._asdict())

    def _append(self, path: Path, record: dict[str, Any]) -> None:
        with self._appending(path) as file:
            file.write((json.dumps(record) + "\n").encode())

    def sync_log(self) -> None:
        """Wait until the log is on the disk: before a state that it must not be behind."""
        with self._appending(self.log_file) as file:
            os.fsync(file.fileno())

    @contextmanager
    def _appending(self, path: Path) -> Iterator[IO[bytes]]:
        try:
            with open(path, "ab") as file:
                yield file
        except OSError as error:
            reason = f"cannot write {str(path)!r}: {error.strerror}"
            raise OSError(error.errno, reason) from error

    def read_log(self) -> list[dict[str, Any]]:
        """The logged steps; a line that a kill cut short is left out."""
        return [
            line
            for line in _lines(self.log_file)
            if all(name in line for name in _ALWAYS)
            and all(type(line.get(name, 0)) in (int, float) for name in Report._fields)
        ]

    def read_findings(self) -> list[Finding]:
        """What the doctor found, in the order in which it did."""
        return [
            Finding(**line)
            for line in _lines(self.findings_file)
            if line.keys() == set(Finding._fields)
        ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that are whole objects with a step."""
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and type(value.get("step")) is int:
            yield value
