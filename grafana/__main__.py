"""``python -m grafana [--check]``: write the dashboards, or say which are not as the code says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from grafana import grid, grid_sql, heat_pump, home, home_influx, plant, solar, solar_sql
from grafana.boards import Board, write_board

FOLDER: Final = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "dashboards"
BOARDS: Final[tuple[Board, ...]] = (
    home.BOARD,
    home_influx.BOARD,
    solar.BOARD,
    solar_sql.BOARD,
    plant.BOARD,
    grid.BOARD,
    grid_sql.BOARD,
    heat_pump.BOARD,
    heat_pump.SEED_BOARD,
)


def find_differences(folder: Path = FOLDER) -> list[str]:
    """Names of files that are not as the code makes them, or that it does not make."""
    wanted = {f"{board.uid}.json": write_board(board) for board in BOARDS}
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def main(words: Sequence[str]) -> int:
    """Do it; the exit status is 1 where a check finds a difference."""
    if set(words) - {"--check"}:
        sys.stderr.write("usage: python -m grafana [--check]\n")
        return 2
    names = find_differences()
    if words:
        sys.stderr.writelines(f"{name} is not as the code makes it\n" for name in names)
        return int(bool(names))
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = {f"{board.uid}.json": board for board in BOARDS}
    for name in names:
        if name in made:
            (FOLDER / name).write_text(write_board(made[name]), encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    sys.stderr.write(f"{len(names)} of {len(made)} dashboards written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
