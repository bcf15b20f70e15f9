from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wattscope.core.errors import StorageError
from wattscope.stores.folder import DataFolder

HOLD = """
import sys
from pathlib import Path
from wattscope.stores.folder import DataFolder
with DataFolder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_process_on_a_data_folder_is_refused(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        folder = DataFolder(tmp_path)
        assert folder.is_locked_by_other()
        with pytest.raises(StorageError, match=r"in use by another wattscope.*--data"):
            folder.lock()
        holder.communicate()
    with folder:
        assert True
    assert not folder.is_locked_by_other()


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
        holder.wait()
    assert not DataFolder(tmp_path).is_locked_by_other()


def test_folder_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="choose another with --data"):
        DataFolder(tmp_path / "file").lock()


def test_paths_lie_below_the_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in (folder.registry, folder.log)]
    assert names == ["registry.sqlite", "log"]
    assert [folder.chunks.name, folder.broker.name] == ["chunks", "broker"]
