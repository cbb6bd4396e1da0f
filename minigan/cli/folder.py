"""The folder of a run: which files it has, and the order that makes it safe to kill at any moment.

config.json is there before anything else. The log and the pictures may be ahead of state.npz,
never behind it, so that going back to the state is to cut them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..files import FileError, write_text
from ..gan import Report
from .config import Config, read_config

# In the order of removal: without its state a run starts afresh, whatever else is there.
_FILES = (
    "state.npz",
    "generator.npz",
    "discriminator.npz",
    "samples.png",
    "curves.png",
    "log.jsonl",
)
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
    def state(self) -> Path:
        """The whole state of the trainer, to go on from."""
        return self.path / "state.npz"

    def is_free(self) -> bool:
        """Whether a new run can start here: nothing is lost by it."""
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"out: {str(self.path)!r} is a file, wanted a folder")
        temporary = set(self.path.glob(_TEMPORARY))
        return not self.path.exists() or all(p in temporary for p in self.path.iterdir())

    def read_config(self) -> Config:
        """The config of the run here. Raises ``FileError`` if there is none that can be used."""
        self.require_run()
        return read_config(self.config)

    def write_config(self, config: Config) -> None:
        """Make this the folder of that run."""
        write_text(self.config, config.text())

    def require_run(self) -> None:
        """Raise ``FileError`` unless this looks like the folder of a run, of whatever version."""
        try:
            values = json.loads(self.config.read_text("utf-8"))
            if str(values["format"]).startswith("minigan.run/"):
                return
        except (OSError, ValueError, TypeError, KeyError):
            pass
        raise FileError(
            f"{str(self.path)!r} does not look like the folder of a run: it has no config.json "
            "that minigan wrote; choose another folder with --out"
        )

    def owns(self, path: Path) -> bool:
        """Whether ``path`` is a file that a run here makes."""
        inside = path.resolve().parent == self.path.resolve()
        return inside and path.name in (*_FILES, self.config.name) and self.config.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other processes' runs out of it within the block."""
        self.path.mkdir(parents=True, exist_ok=True)
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

    def clear(self) -> None:
        """Remove what a run made, and only that; its config is left to be replaced."""
        for name in _FILES:
            (self.path / name).unlink(missing_ok=True)
        self.cut(-1)

    def cut(self, step: int) -> None:
        """Remove what belongs to later steps than ``step``, and what a kill left half-written."""
        samples = self.path / "samples"
        for picture in samples.glob(_PICTURES):
            number = picture.stem.removeprefix("step-")
            if number.isdigit() and int(number) > step:
                picture.unlink()
        for temporary in (*self.path.glob(_TEMPORARY), *samples.glob(_TEMPORARY)):
            temporary.unlink(missing_ok=True)
        if samples.is_dir() and not any(samples.iterdir()):
            samples.rmdir()
        if self.log_file.exists():
            kept = [line for line in self.read_log() if line["step"] <= step]
            write_text(self.log_file, "".join(json.dumps(line) + "\n" for line in kept))

    def picture(self, step: int) -> Path:
        """Where the samples drawn at ``step`` go."""
        (self.path / "samples").mkdir(exist_ok=True)
        return self.path / "samples" / f"step-{step:06d}.png"

    # The log

    def log(self, report: Report) -> None:
        """Append one line."""
        line = json.dumps(report._asdict()) + "\n"
        with self._appending() as file:
            file.write(line.encode())

    def sync_log(self) -> None:
        """Wait until the log is on the disk: before a state that it must not be behind."""
        with self._appending() as file:
            os.fsync(file.fileno())

    @contextmanager
    def _appending(self) -> Iterator[IO[bytes]]:
        try:
            with open(self.log_file, "ab") as file:
                yield file
        except OSError as error:
            reason = f"cannot write {str(self.log_file)!r}: {error.strerror}"
            raise OSError(error.errno, reason) from error

    def read_log(self) -> list[dict[str, Any]]:
        """The logged steps; a line that a kill cut short is left out."""
        lines = self.log_file.read_bytes().splitlines() if self.log_file.exists() else []
        return [line for line in map(_parsed, lines) if line is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The line's object if it is whole."""
    names = set(Report._fields)
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and names <= value.keys() else None
