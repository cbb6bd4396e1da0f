"""``minigan gradcheck``: run the registry's checks, or a user's own, and say what came of them."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..files import write_text
from ..testing import registry
from ..testing.registry import Report, Result
from .words import check_target, progress

SEEDS = 10
"""How many seeds are checked unless the command says it."""


def gradcheck(asked: argparse.Namespace) -> int:
    """Run ``minigan gradcheck``."""
    if asked.all == bool(asked.names):
        both = ", not both" if asked.all else ""
        raise ValueError(
            f"give the names to check, such as conv2d or package.module:object, or --all{both}"
        )
    if asked.input and not any(":" in name for name in asked.names):
        raise ValueError("--input is for your own code, named as package.module:object")
    if asked.json is not None:
        check_target("--json", Path(asked.json))
    if os.getcwd() not in sys.path:  # where the user's own modules are
        sys.path.insert(0, os.getcwd())
    report = registry.run(
        None if asked.all else asked.names,
        seeds=range(asked.seeds or SEEDS) if asked.seed is None else [asked.seed],
        order=asked.order,
        jobs=asked.jobs or os.cpu_count() or 1,
        shapes=asked.input,
        progress=_shown,
    )
    print("\n\n".join("\n".join(part) for part in _parts(report, asked.input) if part))
    if asked.json is not None:  # after what it says, which would be lost if that failed
        sys.stdout.flush()
        write_text(asked.json, json.dumps(report.as_json(), indent=1, default=str) + "\n")
    return 0 if report.passed else 1


def _shown(results: Iterable[Result], total: int) -> Iterable[Result]:
    """Progress on standard error: a bar where tqdm is installed, else a line now and then."""
    if find_spec("tqdm") is None:
        return _counted(results, total)
    return progress(results, "check", total)


def _counted(results: Iterable[Result], total: int) -> Iterator[Result]:
    for done, result in enumerate(results, 1):
        yield result
        if done % max(1, total // 10) == 0:
            print(f"{done} of {total} checks", file=sys.stderr)


def _parts(report: Report, shapes: Sequence[tuple[int, ...]]) -> Iterator[list[str]]:
    yield _table(report)
    yield _coverage(report)
    yield _kernels(report)
    for result, *alike in _gathered(report.failures):
        more = [f"    and {len(alike)} more alike"] if alike else []
        yield [*_failure(result, shapes), *more]
    yield _verdict(report)


def _table(report: Report) -> list[str]:
    lines = [("entry", "cases", "elements", "order", "worst", "ms a case")]
    for row in report.rows():
        least, most = row.elements
        elements = str(most) if least == most else f"{least}-{most}"
        ms = f"{row.milliseconds:.1f}"
        lines.append((row.name, str(row.cases), elements, str(row.order), row.status, ms))
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    return [
        f"{name:<{widths[0]}}  {cases:>{widths[1]}}  {elements:>{widths[2]}}  "
        f"{order:>{widths[3]}}  {status:<{widths[4]}}  {ms:>{widths[5]}}"
        for name, cases, elements, order, status, ms in lines
    ]


def _coverage(report: Report) -> list[str]:
    """The settings of each entry that has any, how many values they took, and of what default."""
    found = {name: spreads for name, spreads in report.coverage().items() if spreads}
    if not found:
        return []
    width = max(map(len, found))
    lines = ["settings drawn: distinct values (share of cases that was not the default)"]
    for name, spreads in found.items():
        words = [
            f"{key} {spread.values}" + ("" if spread.share is None else f" ({spread.share:.0%})")
            for key, spread in spreads.items()
        ]
        lines.append(f"{name:<{width}}  {', '.join(words)}")
    return lines


def _kernels(report: Report) -> list[str]:
    if not report.complete:
        return []
    width = max(map(len, report.kernels), default=0)
    return [
        f"kernels reached: {len(report.kernels) - len(report.unreached)} of {len(report.kernels)}",
        *(f"{name:<{width}}  {_few(entries)}" for name, entries in report.kernels.items()),
    ]


def _few(names: list[str]) -> str:
    if not names:
        return "by no entry"
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"by {', '.join(names[:4])}{rest}"


def _gathered(failures: Iterable[Result]) -> Iterable[list[Result]]:
    """Failures, each with those after it in which the same entry raised the same error."""
    found: dict[tuple[object, ...], list[Result]] = {}
    for result in failures:
        same = result.message.splitlines()[-1] if result.status == "error" else result.seed
        found.setdefault((result.name, result.status, same), []).append(result)
    return found.values()


def _failure(result: Result, shapes: Sequence[tuple[int, ...]]) -> list[str]:
    settings = ", ".join(f"{key}={_json(value)}" for key, value in result.settings.items())
    return [
        f"{result.name}, seed {result.seed}, order {result.order}: {result.status}",
        *(f"    {line}" for line in result.message.splitlines()),
        f"    inputs: {', '.join(map(str, result.shapes)) or 'none drawn'}",
        *([f"    settings: {settings}"] if settings else []),
        f"    again with: {_command(result, shapes)}",
    ]


def _json(value: object) -> str:
    return json.dumps(value, default=str)  # a user's own settings may be anything


def _command(result: Result, shapes: Sequence[tuple[int, ...]]) -> str:
    words = ["minigan", "gradcheck", result.name]
    if ":" in result.name:
        words += [f"--input={'x'.join(map(str, shape)) or 'scalar'}" for shape in shapes]
    return shlex.join([*words, "--seed", str(result.seed), "--order", str(result.order)])


def _verdict(report: Report) -> list[str]:
    """The last lines: what is wanting, and the sums."""
    lines = []
    if report.missing:
        lines.append(f"no entry for: {', '.join(report.missing)}")
    if report.unreached:
        few = len({result.seed for result in report.results}) < SEEDS
        hint = "; more seeds may, see --seeds" if few else ""
        lines.append(f"no entry reaches the kernels: {', '.join(report.unreached)}{hint}")
    if report.complete:
        lines.append(
            f"{report.large:.0%} of the cases have 24 elements or more; {report.demanding:.0%} "
            "also several channels, a batch, and a setting that is not the default"
        )
    entries, checks = len(report.by_entry()), len(report.results)
    counts = ", ".join(f"{count} {status}" for status, count in report.counts().items())
    lines.append(
        f"{_counted_as(entries, 'entry', 'entries')}, {_counted_as(checks, 'check', 'checks')} to "
        f"order {report.order} in {report.seconds:.1f} s: {counts}"
    )
    return lines


def _counted_as(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
