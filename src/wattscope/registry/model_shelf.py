"""Model files of a data folder: ``models/<class>.forest``, one for each class of devices.

A file appears under its name when it is whole and on the disk. One that cannot be believed is
refused with the reason; the others are used.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.compute.isolation_forest.model_file import MAX_BYTES, decode_model, encode_model
from wattscope.core.errors import StorageError
from wattscope.registry.names_copy import sync_folder

FOLDER = "models"
SUFFIX = ".forest"


@dataclass(frozen=True, slots=True)
class RefusedModel:
    """A file that is not used."""

    device_class: str
    file: str
    """Below the data folder."""
    reason: str
    """What is wrong with it."""

    @property
    def advice(self) -> str:
        """What to do."""
        return f"run 'wattscope train --class {self.device_class}', or remove the file"

    def __str__(self) -> str:
        return f"model {self.file} {self.reason}; it is not used; {self.advice}"


class ModelShelf:
    """The models of one data folder."""

    def __init__(self, data: Path) -> None:
        """``data`` is the data folder; the folder of models may be missing."""
        self.folder = data / FOLDER

    def read_all(self) -> tuple[dict[str, AnomalyModel], tuple[RefusedModel, ...]]:
        """The sound models by class, and the files that are refused."""
        models: dict[str, AnomalyModel] = {}
        refused = []
        for device_class in self.list_classes():
            found = self._read(device_class)
            if isinstance(found, RefusedModel):
                refused.append(found)
            else:
                models[device_class] = found
        return models, tuple(refused)

    def list_classes(self) -> list[str]:
        """The classes that have a file, sound or not."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"*{SUFFIX}"))

    def read(self, device_class: str) -> AnomalyModel:
        """The model of a class.

        Raises:
            StorageError: There is none, or its file cannot be believed.
        """
        found = self._read(device_class)
        if isinstance(found, RefusedModel):
            raise StorageError(str(found))
        return found

    def write(self, model: AnomalyModel) -> Path:
        """Put a model in place of the one before. Returns its file.

        Raises:
            StorageError: The disk refuses; the model before stays.
        """
        path = self._path(model.device_class)
        aside = path.with_name(path.name + ".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            with aside.open("wb") as file:
                file.write(encode_model(model))
                file.flush()
                os.fsync(file.fileno())
            aside.chmod(0o640)
            aside.replace(path)
            sync_folder(self.folder)
        except OSError as fault:
            raise StorageError(
                f"model {path}: the disk refused ({fault.strerror}); look after the disk, then "
                f"run 'wattscope train --class {model.device_class}' again"
            ) from fault
        return path

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Changes when a model is put in place: cheap to ask before reading again."""
        found = []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                status = path.stat()
            except FileNotFoundError:
                # Taken away between our two looks.
                continue
            found.append((path.name, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def _read(self, device_class: str) -> AnomalyModel | RefusedModel:
        path = self._path(device_class)
        try:
            model = decode_model(_read_bounded(path))
            check_class(model, device_class)
        except StorageError as fault:
            return RefusedModel(device_class, f"{FOLDER}/{path.name}", str(fault))
        return model

    def _path(self, device_class: str) -> Path:
        return self.folder / f"{device_class}{SUFFIX}"


def check_class(model: AnomalyModel, device_class: str) -> None:
    """A file under the name of another class would judge what it has not learned."""
    if model.device_class != device_class:
        raise StorageError(f"is a model of {model.device_class}")


def _read_bounded(path: Path) -> bytes:
    """The bytes of a plain file, at most one more than a model may have."""
    try:
        # A pipe or device under this name must not make us wait.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123  # a descriptor has no path
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise StorageError("is no file")
            return file.read(MAX_BYTES + 1)
    except OSError as fault:
        raise StorageError(f"cannot be read ({fault.strerror})") from fault
