"""Who checks the checker: plant errors in the backward code, one at a time, and run the tests.

    python tests/mutation.py                       # all of them, on two processes
    python tests/mutation.py --list                # what would be planted
    python tests/mutation.py --only normalization  # those whose place or kind matches
    python tests/mutation.py --sample 100 --json found.json

A mutant is one changed expression. It is *killed* when a check of the registry or a test fails
or takes many times as long; *equivalent*, if it gives the same bits on 1,000 random inputs; else
it *survived*, and is listed. The files of the package are not touched: the changed function is
compiled from its tree, and put in place in a process of its own.

The exit status is 0 if at least 98 % of the mutants that are not equivalent were killed, and at
most 5 % are equivalent; 1 if not; 2 if the tests fail without any change.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

from mutation.judging import (  # noqa: E402 - after the number of threads is set
    EQUIVALENT,
    KILLED,
    SURVIVED,
    Bench,
    Verdict,
    with_bench,
)
from mutation.mutators import Mutant, mutants  # noqa: E402
from mutation.regions import Survey  # noqa: E402
from mutation.scope import Scope  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("minigan", "tests", "examples", "pyproject.toml", "setup.cfg", "README.md")

LEAST_KILLED = 0.98  # of those that are not equivalent
MOST_EQUIVALENT = 0.05  # of all

_at_work: Callable[[Any], Any]


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        root = _copy(Path(folder))
        sys.dont_write_bytecode = False  # whatever the environment says: each fork imports anew
        survey = Survey(root)
        chosen = _chosen(survey, options)
        print(_extent(survey), flush=True)
        if options.list:
            for mutant in chosen:
                print(_line(mutant))
            return 0
        try:
            return int(with_bench(root, survey, lambda bench: _run(bench, chosen, options)))
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2


def _parser() -> argparse.ArgumentParser:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python tests/mutation.py",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=_positive, default=2, metavar="N", help="processes (2)")
    parser.add_argument("--only", metavar="PATTERN", help="a regular expression for place or kind")
    parser.add_argument("--list", action="store_true", help="list the mutants and stop")
    parser.add_argument("--sample", type=_positive, metavar="N", help="N of them, always the same")
    parser.add_argument(
        "--seeds", type=_positive, default=2, metavar="N", help="cases of each entry (2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {number}, wanted at least 1")
    return number


def _copy(folder: Path) -> Path:
    """A copy of the package and its tests, so that edits during the run change nothing in it."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def _chosen(survey: Survey, options: argparse.Namespace) -> list[Mutant]:
    found = [mutant for region in survey.regions for mutant in mutants(region)]
    if options.only:
        found = [mutant for mutant in found if re.search(options.only, _line(mutant))]
    if options.sample and options.sample < len(found):
        places = random.Random(0).sample(range(len(found)), options.sample)
        found = [found[i] for i in sorted(places)]
    return found


# Running


def _run(bench: Bench, chosen: list[Mutant], options: argparse.Namespace) -> int:
    start = time.perf_counter()
    bench.measure(options.seeds, partial(_parallel, options.jobs))
    print(f"without a change everything passes ({time.perf_counter() - start:.0f} s)", flush=True)
    verdicts: list[Verdict] = []
    for verdict in _parallel(options.jobs, lambda i: bench.judge(chosen[i]), range(len(chosen))):
        mutant = chosen[len(verdicts)]
        verdicts.append(verdict)
        if verdict.outcome in (SURVIVED, EQUIVALENT):
            print(f"{verdict.outcome}: {_line(mutant)}", flush=True)
        if len(verdicts) % 100 == 0 or len(verdicts) == len(chosen):
            spent = time.perf_counter() - start
            print(f"{len(verdicts)} of {len(chosen)} mutants, {spent:.0f} s", flush=True)
    seconds = time.perf_counter() - start
    if options.json:
        options.json.write_text(json.dumps(_record(chosen, verdicts, seconds), indent=1))
    return _report(chosen, verdicts, seconds)


def _parallel(jobs: int, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """The function's values in the order of the items, from forks that share what it refers to.

    Neighbours go to one process, which knows from the one what is likely to kill the other.
    """
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, _share, (function,)) as pool:
        yield from pool.imap(_work, items, chunksize=8)


def _share(function: Callable[[Any], Any]) -> None:
    global _at_work
    _at_work = function


def _work(item: Any) -> Any:
    return _at_work(item)


# Telling


def _extent(survey: Survey) -> str:
    """How much backward code there is, file by file."""
    counts: Counter[str] = Counter()
    lines = []
    for region in survey.regions:
        counts[region.path] += Scope(region).expressions
    for path, expressions in counts.items():
        functions = [r for r in survey.regions if r.path == path]
        planted = sum(len(mutants(region)) for region in functions)
        lines.append(f"{path:32}{len(functions):12}{expressions:14}{planted:10}")
    total = sum(len(mutants(region)) for region in survey.regions)
    head = f"{'backward code':32}{'functions':>12}{'expressions':>14}{'mutants':>10}"
    foot = f"{'in all':32}{len(survey.regions):12}{sum(counts.values()):14}{total:10}"
    return "\n".join([head, *lines, foot, ""])


def _line(mutant: Mutant) -> str:
    before, after = _short(mutant.before), _short(mutant.after)
    return f"{mutant.name} in {mutant.region.name}: {mutant.kind}: {before}  →  {after}"


def _short(code: str) -> str:
    return " ".join(code.replace("_mutation.", "").split())


def _record(chosen: list[Mutant], verdicts: list[Verdict], seconds: float) -> dict[str, Any]:
    share, equivalent = _shares(verdicts)
    each = [
        {
            "file": m.path,
            "line": m.line,
            "function": m.region.name,
            "kind": m.kind,
            "before": _short(m.before),
            "after": _short(m.after),
            "outcome": v.outcome,
            "reason": v.reason,
        }
        for m, v in zip(chosen, verdicts, strict=True)
    ]
    return {"killed": share, "equivalent": equivalent, "seconds": seconds, "mutants": each}


def _shares(verdicts: list[Verdict]) -> tuple[float, float]:
    """The share killed of those that are not equivalent, and the equivalent share of all."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    decided = counts[KILLED] + counts[SURVIVED]
    return counts[KILLED] / max(1, decided), counts[EQUIVALENT] / max(1, len(verdicts))


def _report(chosen: list[Mutant], verdicts: list[Verdict], seconds: float) -> int:
    """Print the table of kinds, the survivors and the shares; return the exit status."""
    kinds: dict[str, Counter[str]] = {}
    for mutant, verdict in zip(chosen, verdicts, strict=True):
        kinds.setdefault(mutant.kind, Counter())[verdict.outcome] += 1
    outcomes = (KILLED, SURVIVED, EQUIVALENT)
    print(f"\n{'kind':22}" + "".join(f"{outcome:>12}" for outcome in outcomes))
    for kind, counts in sorted(kinds.items()):
        print(f"{kind:22}" + "".join(f"{counts[outcome]:12}" for outcome in outcomes))
    for listed in (EQUIVALENT, SURVIVED):
        print(f"\n{listed}:")
        for mutant, verdict in zip(chosen, verdicts, strict=True):
            if verdict.outcome == listed:
                print(f"  {_line(mutant)}")
    share, equivalent = _shares(verdicts)
    good = share >= LEAST_KILLED and equivalent <= MOST_EQUIVALENT
    print(
        f"\n{len(verdicts)} mutants in {seconds:.0f} s: {share:.2%} killed of those that are not "
        f"equivalent (at least {LEAST_KILLED:.0%} wanted), {equivalent:.2%} equivalent "
        f"(at most {MOST_EQUIVALENT:.0%} allowed)"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
