"""Runs the program on a disk of which a file says how much is free.

``python small_disk.py FREE_FILE run -c … --data … --port …``; the file holds bytes of 1 GB.
"""

from __future__ import annotations

import sys
from pathlib import Path

from wattscope.assembly import storage
from wattscope.cli import main
from wattscope.pipeline.space import DiskRoom

TOTAL_BYTES = 1_000_000_000
REPLACED = "measure_room"

if __name__ == "__main__":
    free_file = Path(sys.argv.pop(1))

    def measure(_folder: Path) -> DiskRoom:
        """What the file says."""
        return DiskRoom(TOTAL_BYTES, int(free_file.read_text()))

    # An unknown name would be a test of nothing.
    getattr(storage, REPLACED)
    setattr(storage, REPLACED, measure)
    main()
