"""Arguments in, figures out."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module

from . import COMMANDS, Figure, __doc__


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0 if every figure is within its bounds, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        module = import_module(f".{name}", __package__)
        about = (module.__doc__ or name).strip()
        command = commands.add_parser(name, help=about.splitlines()[0], description=about)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(command)
        command.add_argument("--json", metavar="FILE", help="write all figures there")
        command.set_defaults(run=module.run)
    asked = parser.parse_args(arguments)
    figures: list[Figure] = []
    for figure in asked.run(asked):
        print(figure, flush=True)
        figures.append(figure)
    if asked.json:
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump([figure.as_json() for figure in figures], file, indent=1)
    return 0 if all(figure.passed for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
