"""``./run bench NAME [--quick] [--json FILE]``: one table of what this machine gives."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import detect, ingest, live, modbus, scale, store
from benchmarks.rows import print_rows, write_rows
from tests.servers import ServerMissingError

CASES = {one.CASE: one.run for one in (detect, ingest, live, modbus, scale, store)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("name", nargs="?", help=f"one of: {', '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    options = parser.parse_args()
    if options.name not in CASES:
        missing = "no name given" if options.name is None else f"no benchmark {options.name!r}"
        parser.exit(2, f"{missing}; there is: {', '.join(CASES)}\n")
    try:
        rows, notes = CASES[options.name](quick=options.quick, say=_say)
    except ServerMissingError as absent:
        parser.exit(1, f"{absent}\n")
    print_rows(rows, notes)
    if options.json:
        write_rows(rows, options.json)


def _say(text: str) -> None:
    """Progress goes where the table does not."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
