"""Rules, alerts, messages and incidents are kept as they are, on SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.registry.registries import KINDS, run_place
from wattscope.core.alerting import (
    Alert,
    AlertEvent,
    AlertRule,
    AlertState,
    Delivery,
    DeliveryState,
    Notice,
    RuleKind,
    Schedule,
)
from wattscope.core.errors import UnknownNameError
from wattscope.core.findings import Finding, Severity
from wattscope.core.incidents import Cause, Incident, IncidentState
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.database import Database
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.registry.online_copy import copy_registry
from wattscope.registry.outbox import SqlOutbox
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.schema import alert_deliveries

RULE = AlertRule(
    0,
    "Too hot",
    RuleKind.ABOVE,
    ("panel-1", "panel-2"),
    "temperature_c",
    60.0,
    2.5,
    30.0,
    60.0,
    (),
    Severity.CRITICAL,
    Schedule((0, 1, 2), 480, 1080),
    ("mail",),
)
ALERT = Alert(
    0, 1, "panel-1", "temperature_c", AlertState.RAISED, Severity.WARNING, 10, 10, "Hot", "61 °C"
)
NOTICE = Notice(
    "abc",
    AlertEvent.RAISED,
    0,
    "Too hot",
    "Farm",
    "panel-1",
    "Panel <1>",
    Severity.WARNING,
    "Hot",
    "61 °C",
    10,
    "Europe/Paris",
)
DELIVERY = Delivery(NOTICE, "mail", DeliveryState.WAITING, 10, 10)
INCIDENT = Incident(
    "f00d",
    "farm",
    "panel-1",
    100,
    200,
    is_over=False,
    severity=Severity.CRITICAL,
    causes=(Cause("outage", 0.75), Cause("underperformance", 0.25)),
    findings=(Finding("outage", "panel-1", 100, 200, "0 W", {"power_w": 0.0, "x_w": math.nan}),),
    recommendation="Look.",
    lost_wh=12.5,
)


Either = Database | PostgresDatabase


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Either]:
    with run_place(request, tmp_path) as place:
        yield place.open()


def test_rule_comes_back_as_it_was(database: Either) -> None:
    book = AlertBook(database)
    kept = book.put_rule(RULE)
    assert kept == replace(RULE, id=1)
    assert book.list_rules() == [kept]
    changed = book.put_rule(replace(kept, name="Hotter", is_enabled=False, devices=()))
    assert book.list_rules() == [changed]
    assert book.find_rule(1) == changed


def test_id_of_a_dropped_rule_is_not_given_again_while_an_alert_bears_it(
    database: Either,
) -> None:
    book = AlertBook(database)
    book.put_rule(RULE)
    second = book.put_rule(RULE)
    book.write([(replace(ALERT, rule=second.id), [])])
    book.save_states({second.id: {"places": []}})
    book.drop_rule(second.id)
    assert book.load_states() == {}
    assert book.put_rule(RULE).id == 3
    with pytest.raises(UnknownNameError):
        book.drop_rule(second.id)
    with pytest.raises(UnknownNameError):
        book.put_rule(replace(RULE, id=99))


def test_alert_and_its_messages_are_kept_together(database: Either) -> None:
    book = AlertBook(database)
    [alert] = book.write([(ALERT, [DELIVERY])])
    book.save_states({1: {"places": [["panel-1", ""]]}})
    assert alert.id == 1
    [found] = book.list_open()
    assert math.isnan(found.value)
    assert replace(found, value=0.0) == replace(alert, value=0.0)
    told = replace(DELIVERY, notice=replace(NOTICE, alert=1))
    assert book.list_deliveries([1, 2]) == {1: [told]}
    assert book.load_states() == {1: {"places": [["panel-1", ""]]}}
    ended = replace(alert, state=AlertState.CLEARED, silenced_until_us=500)
    book.write([(ended, [])])
    assert book.list_open() == []
    assert [one.id for one in book.list_silenced(499)] == [1]
    assert book.list_silenced(500) == []
    assert [one.id for one in book.list_newest(5, [AlertState.CLEARED])] == [1]
    assert book.list_newest(5, [AlertState.RAISED]) == []


def test_message_of_a_known_id_is_refused_with_its_alert(database: Either) -> None:
    book = AlertBook(database)
    book.write([(ALERT, [DELIVERY])])
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        book.write([(replace(ALERT, key="voltage_v"), [DELIVERY])])
    assert len(book.list_open()) == 1


def test_pruning_forgets_the_oldest_that_are_over_with_their_messages(database: Either) -> None:
    book = AlertBook(database)
    for number in range(6):
        state = AlertState.RAISED if number == 0 else AlertState.CLEARED
        message = replace(DELIVERY, notice=replace(NOTICE, id=str(number)))
        book.write([(replace(ALERT, state=state, key=str(number)), [message])])
    book.prune(2)
    assert [one.id for one in book.list_newest(9)] == [6, 5, 1]
    assert book.list_deliveries(range(9)).keys() == {1, 5, 6}


def test_message_goes_its_way(database: Either) -> None:
    book, outbox = AlertBook(database), SqlOutbox(database)
    book.write([(ALERT, [DELIVERY])])
    assert outbox.list_due("mail", 9, 10) == []
    assert outbox.list_due("hook", 99, 10) == []
    [due] = outbox.list_due("mail", 10, 10)
    sending = outbox.begin_sending(due)
    assert sending is not None
    assert (sending.state, sending.attempts) == (DeliveryState.SENDING, 1)
    assert outbox.list_due("mail", 99, 10) == []
    assert outbox.count_waiting() == {"mail": 1}
    # The process dies here, and where there are others, its time to send it runs out.
    if database.is_shared:
        assert outbox.take_back("mail") == 0
        with database.begin() as connection:
            connection.execute(update(alert_deliveries).values(due_at_us=0))
    assert outbox.take_back("hook") == 0
    assert outbox.take_back("mail") == 1
    [again] = outbox.list_due("mail", 99, 10)
    assert again.attempts == 1
    outbox.note(replace(again, due_at_us=5000, last_error="no answer"))
    assert outbox.list_due("mail", 99, 10) == []
    outbox.make_due(["mail"], 100)
    assert outbox.list_due("mail", 100, 10)[0].last_error == "no answer"
    outbox.note(replace(again, state=DeliveryState.DELIVERED, delivered_at_us=120))
    assert outbox.take_back("mail") == 0
    assert outbox.count_waiting() == {}


def test_incident_keeps_the_state_that_a_person_gave_it(database: Either) -> None:
    book = SqlIncidentBook(database)
    book.put_all([INCIDENT], 300)
    book.put_state(INCIDENT.id, IncidentState.SILENCED, 400, 900)
    longer = replace(INCIDENT, end_us=250)
    book.put_all([longer], 500)
    booked = book.find(INCIDENT.id)
    assert (booked.state, booked.silenced_until_us, booked.incident.end_us) == (
        IncidentState.SILENCED,
        900,
        250,
    )
    # What JSON has no number for is left out.
    assert booked.incident.findings[0].evidence == {"power_w": 0.0}
    assert booked.incident.causes == INCIDENT.causes
    book.put_all([replace(longer, is_over=True)], 600)
    assert book.find(INCIDENT.id).state is IncidentState.CLEARED
    assert book.list_open(251) == []
    assert [one.id for one in book.list_open(250)] == [INCIDENT.id]
    book.put_all([longer], 700)
    assert book.find(INCIDENT.id).state is IncidentState.OPEN
    with pytest.raises(UnknownNameError):
        book.find("none")
    with pytest.raises(UnknownNameError):
        book.put_state("none", IncidentState.OPEN, 1)


def test_rule_with_a_flipped_bit_is_found_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    database = Database(path)
    AlertBook(database).put_rule(RULE)
    database.close()
    raw = sqlite3.connect(path)
    raw.execute("UPDATE alert_rules SET threshold = 6000.0")
    raw.commit()
    raw.close()
    mended = Database(path)
    assert mended.damages
    assert AlertBook(mended).list_rules()[0].threshold == 60.0
    mended.close()


def test_copy_for_a_backup_has_rules_alerts_messages_and_incidents(tmp_path: Path) -> None:
    with contextlib.closing(Database(tmp_path / "registry.sqlite")) as database:
        AlertBook(database).put_rule(RULE)
        AlertBook(database).write([(ALERT, [DELIVERY])])
        AlertBook(database).save_states({1: {"places": []}})
        SqlIncidentBook(database).put_all([INCIDENT], 300)
        copy_registry(tmp_path / "registry.sqlite", tmp_path / "copy.sqlite")
    with contextlib.closing(Database(tmp_path / "copy.sqlite")) as copied:
        book = AlertBook(copied)
        assert book.list_rules() == [replace(RULE, id=1)]
        assert [one.id for one in book.list_open()] == [1]
        assert book.list_deliveries([1])[1][0].channel == "mail"
        assert book.load_states() == {1: {"places": []}}
        assert SqlIncidentBook(copied).find(INCIDENT.id).incident.lost_wh == 12.5
