"""Model files in the registry's PostgreSQL database, for processes that share no folder.

The bytes are those of the files, with their checksum; they are believed as little as a file is,
and nothing in them is executed.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql

from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.compute.isolation_forest.model_file import decode_model, encode_model
from wattscope.core.errors import StorageError
from wattscope.registry.database_port import RegistryDatabase
from wattscope.registry.model_shelf import RefusedModel, check_class
from wattscope.registry.postgres_schema import models


class SqlModelShelf:
    """The models of an installation; does what ``ModelShelf`` does."""

    def __init__(self, database: RegistryDatabase) -> None:
        self._database = database

    def read_all(self) -> tuple[dict[str, AnomalyModel], tuple[RefusedModel, ...]]:
        """The sound models by class, and those that are refused."""
        found: dict[str, AnomalyModel] = {}
        refused = []
        for device_class in self.list_classes():
            try:
                found[device_class] = self._read(device_class)
            except StorageError as fault:
                refused.append(self._refuse(device_class, str(fault)))
        return found, tuple(refused)

    def list_classes(self) -> list[str]:
        """The classes that have a model, sound or not."""
        with self._database.begin() as connection:
            return sorted(connection.scalars(select(models.c.device_class)))

    def read(self, device_class: str) -> AnomalyModel:
        """The model of a class.

        Raises:
            StorageError: There is none, or it cannot be believed.
        """
        try:
            return self._read(device_class)
        except StorageError as fault:
            raise StorageError(str(self._refuse(device_class, str(fault)))) from fault

    def write(self, model: AnomalyModel) -> str:
        """Put a model in place of the one before; durable on return. Returns where it is."""
        statement = postgresql.insert(models).values(
            device_class=model.device_class, revision=1, content=encode_model(model)
        )
        changed = {"revision": models.c.revision + 1, "content": statement.excluded.content}
        with self._database.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["device_class"], set_=changed)
            )
        return self._name(model.device_class)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Changes when a model is put in place: cheap to ask before reading again."""
        query = select(models.c.device_class, models.c.revision, func.length(models.c.content))
        with self._database.begin() as connection:
            return tuple(sorted((one[0], one[1], one[2]) for one in connection.execute(query)))

    def _read(self, device_class: str) -> AnomalyModel:
        query = select(models.c.content).where(models.c.device_class == device_class)
        with self._database.begin() as connection:
            content = connection.scalar(query)
        if content is None:
            raise StorageError("does not exist")
        model = decode_model(bytes(content))
        check_class(model, device_class)
        return model

    def _refuse(self, device_class: str, reason: str) -> RefusedModel:
        return RefusedModel(device_class, self._name(device_class), reason)

    def _name(self, device_class: str) -> str:
        return f"{device_class} of {self._database.where}"
