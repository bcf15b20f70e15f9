"""Incidents in SQL, with how far a person has come with each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from wattscope.core.errors import QueryError, UnknownNameError
from wattscope.core.incidents import BookedIncident, Incident, IncidentState
from wattscope.registry.alert_rows import incident_of_row, row_of_incident
from wattscope.registry.database_port import PlainDatabase
from wattscope.registry.schema import incidents

_MAX_IN = 500


class SqlIncidentBook:
    """The table; an incident's state is a person's, and what looks find never takes it away."""

    def __init__(self, database: PlainDatabase) -> None:
        self._database = database

    def list_open(self, since_us: int) -> list[Incident]:
        """Incidents that are not over, and those that ended since an instant [µs]; by start."""
        return [
            one.incident
            for one in self._select(
                incidents.c.is_over.is_(False) | (incidents.c.end_us >= since_us)
            )
        ]

    def put_all(self, found: Sequence[Incident], now_us: int) -> None:
        """Keep incidents as they are now, in one transaction."""
        with self._database.begin_alone(incidents.name) as connection:
            known = {one.incident.id: one for one in _read(connection, [one.id for one in found])}
            for one in found:
                _write(connection, _follow(known.get(one.id), one, now_us))

    def put_state(
        self, incident: str, state: IncidentState, now_us: int, silenced_until_us: int = 0
    ) -> BookedIncident:
        """Note how far a person has come.

        Raises:
            UnknownNameError: There is no such incident.
            QueryError: It is over.
        """
        with self._database.begin_alone(incidents.name) as connection:
            found = _read(connection, [incident])
            if not found:
                raise _unknown(incident)
            if found[0].incident.is_over:
                raise QueryError(f"incident {incident} is over; there is nothing to do about it")
            changed = replace(
                found[0], state=state, changed_at_us=now_us, silenced_until_us=silenced_until_us
            )
            _write(connection, changed)
        return changed

    def wake(self, incident: str, now_us: int) -> bool:
        """Open an incident whose silence is over. Returns whether it was silenced still."""
        with self._database.begin_alone(incidents.name) as connection:
            found = _read(connection, [incident])
            is_due = bool(found) and (
                found[0].state is IncidentState.SILENCED and now_us >= found[0].silenced_until_us
            )
            if is_due:
                opened = replace(
                    found[0], state=IncidentState.OPEN, changed_at_us=now_us, silenced_until_us=0
                )
                _write(connection, opened)
        return is_due

    def find(self, incident: str) -> BookedIncident:
        """The incident of an id.

        Raises:
            UnknownNameError: There is none.
        """
        with self._database.begin() as connection:
            found = _read(connection, [incident])
        if not found:
            raise _unknown(incident)
        return found[0]

    def list_states(self, states: Collection[IncidentState]) -> list[BookedIncident]:
        """Incidents of some states, by start."""
        return self._select(incidents.c.state.in_([one.value for one in states]))

    def list_since(self, start_us: int) -> list[BookedIncident]:
        """Incidents that were there since an instant [µs], by start."""
        return self._select(incidents.c.is_over.is_(False) | (incidents.c.end_us >= start_us))

    def list_newest(
        self,
        limit: int,
        *,
        states: Collection[IncidentState] | None = None,
        site: str | None = None,
        device: str | None = None,
    ) -> list[BookedIncident]:
        """The newest incidents by start, newest first; of some states, one site or one device."""
        query = select(incidents).order_by(incidents.c.start_us.desc()).limit(limit)
        if states is not None:
            query = query.where(incidents.c.state.in_([one.value for one in states]))
        if site is not None:
            query = query.where(incidents.c.site == site)
        if device is not None:
            query = query.where(incidents.c.device == device)
        with self._database.begin() as connection:
            return [incident_of_row(row) for row in connection.execute(query).mappings()]

    def _select(self, condition: Any) -> list[BookedIncident]:  # noqa: ANN401  # of SQLAlchemy
        query = select(incidents).where(condition).order_by(incidents.c.start_us, incidents.c.id)
        with self._database.begin() as connection:
            return [incident_of_row(row) for row in connection.execute(query).mappings()]


def _follow(known: BookedIncident | None, found: Incident, now_us: int) -> BookedIncident:
    """An incident that was found, with the state that it has from now on."""
    if found.is_over:
        state = IncidentState.CLEARED
    elif known is None or known.state is IncidentState.CLEARED:
        state = IncidentState.OPEN
    else:
        state = known.state
    if known is None:
        return BookedIncident(found, state, now_us)
    changed_at_us = known.changed_at_us if state is known.state else now_us
    return BookedIncident(found, state, changed_at_us, known.silenced_until_us)


def _read(connection: Connection, ids: Sequence[str]) -> list[BookedIncident]:
    found = []
    for at in range(0, len(ids), _MAX_IN):
        rows = connection.execute(
            select(incidents).where(incidents.c.id.in_(ids[at : at + _MAX_IN]))
        )
        found += [incident_of_row(row) for row in rows.mappings()]
    return found


def _write(connection: Connection, booked: BookedIncident) -> None:
    connection.execute(delete(incidents).where(incidents.c.id == booked.incident.id))
    connection.execute(insert(incidents), row_of_incident(booked))


def _unknown(incident: str) -> UnknownNameError:
    return UnknownNameError(f"incident {incident!r} does not exist; see /api/incidents")
