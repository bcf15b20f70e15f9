"""Alerts, messages and incidents of processes that share a registry: none twice, none lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.registry.registries import fresh_options
from tests.registry.test_alert_book import ALERT, DELIVERY, INCIDENT, NOTICE, RULE
from wattscope.core.alerting import AlertState, Delivery, DeliveryState
from wattscope.core.errors import ChangedMeanwhileError
from wattscope.core.incidents import IncidentState
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.registry.outbox import SqlOutbox
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions
from wattscope.registry.schema import alert_deliveries

pytestmark = pytest.mark.integration
WORKER = Path(__file__).parent / "outbox_worker.py"
NOW_US = 1000


@pytest.fixture
def options(postgres: str) -> Iterator[PostgresOptions]:
    with fresh_options(postgres) as made:
        yield made


@pytest.fixture
def database(options: PostgresOptions) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(options)) as made:
        yield made


def write_messages(database: PostgresDatabase, n_messages: int) -> set[str]:
    numbers = [f"m{n:03}" for n in range(n_messages)]
    messages = [replace(DELIVERY, notice=replace(NOTICE, id=number)) for number in numbers]
    AlertBook(database).write([(ALERT, messages)])
    return set(numbers)


def end_leases(database: PostgresDatabase) -> None:
    """As if two minutes had gone by."""
    is_sending = alert_deliveries.c.state == DeliveryState.SENDING.value
    with database.begin() as connection:
        connection.execute(update(alert_deliveries).where(is_sending).values(due_at_us=0))


def run_workers(options: PostgresOptions, deaths: list[int]) -> list[list[str]]:
    """What each sent; those that die, die at their so manieth message."""
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps([options.url, options.schema, NOW_US, dies])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for dies in deaths
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [worker.communicate(timeout=120)[0].split() for worker in workers]


# ── messages ─────────────────────────────────────────────────────────────────────────────────


def test_processes_that_deliver_at_once_send_each_message_once(
    options: PostgresOptions, database: PostgresDatabase
) -> None:
    numbers = write_messages(database, 200)
    sent = Counter(number for ours in run_workers(options, [0, 0, 0]) for number in ours)
    assert sent.keys() == numbers
    assert set(sent.values()) == {1}
    assert SqlOutbox(database).count_waiting() == {}


def test_message_of_a_killed_process_is_sent_by_another_when_its_time_is_over(
    options: PostgresOptions, database: PostgresDatabase
) -> None:
    numbers = write_messages(database, 60)
    [dead], [living] = run_workers(options, [5]), run_workers(options, [0])
    assert len(dead) == 5
    # The one it died with is nobody else's yet.
    assert sorted([*dead, *living]) == sorted(numbers)
    assert SqlOutbox(database).count_waiting() == {"mail": 1}
    end_leases(database)
    assert run_workers(options, [0]) == [[dead[-1]]]
    assert SqlOutbox(database).count_waiting() == {}


def test_message_is_its_senders_for_as_long_as_was_said(database: PostgresDatabase) -> None:
    write_messages(database, 1)
    for lease_s, is_free in ((60.0, False), (-60.0, True)):
        outbox = SqlOutbox(database, lease_s=lease_s)
        [due] = outbox.list_due("mail", NOW_US, 9)
        sending = outbox.begin_sending(due)
        assert sending is not None
        assert outbox.begin_sending(due) is None
        assert bool(outbox.list_due("mail", NOW_US, 9)) is is_free
        assert outbox.take_back("mail") == int(is_free)
        outbox.note(replace(sending, state=DeliveryState.WAITING))


def test_outcome_of_one_who_was_too_late_changes_nothing_but_an_arrival(
    database: PostgresDatabase,
) -> None:
    write_messages(database, 1)
    outbox = SqlOutbox(database)
    [due] = outbox.list_due("mail", NOW_US, 9)
    slow = outbox.begin_sending(due)
    end_leases(database)
    [left] = outbox.list_due("mail", NOW_US, 9)
    quick = outbox.begin_sending(left)
    assert slow is not None
    assert quick is not None
    outbox.note(replace(slow, state=DeliveryState.WAITING, last_error="no answer"))
    assert find_message(database).state is DeliveryState.SENDING
    outbox.note(replace(slow, state=DeliveryState.DELIVERED, delivered_at_us=7))
    outbox.note(replace(quick, state=DeliveryState.WAITING, last_error="no answer"))
    assert find_message(database).state is DeliveryState.DELIVERED


def find_message(database: PostgresDatabase) -> Delivery:
    [[message]] = AlertBook(database).list_deliveries([1]).values()
    return message


# ── alerts and rules ─────────────────────────────────────────────────────────────────────────


def test_alert_that_two_processes_raise_and_end_is_told_once(database: PostgresDatabase) -> None:
    books = [AlertBook(database), AlertBook(database)]
    raised = [
        book.write([(ALERT, [replace(DELIVERY, notice=replace(NOTICE, id=f"raised {at}"))])])
        for at, book in enumerate(books)
    ]
    assert [one.id for ours in raised for one in ours] == [1, 1]
    for at, book in enumerate(books):
        over = replace(raised[at][0], state=AlertState.CLEARED)
        book.write([(over, [replace(DELIVERY, notice=replace(NOTICE, id=f"over {at}"))])])
    told = [one.notice.id for one in books[0].list_deliveries([1])[1]]
    assert told == ["over 0", "raised 0"]
    # What begins again is news.
    [again] = books[1].write([(ALERT, [DELIVERY])])
    assert again.id == 2


def test_alert_that_has_changed_meanwhile_is_not_written_over(database: PostgresDatabase) -> None:
    person, looks = AlertBook(database), AlertBook(database)
    [raised] = looks.write([(ALERT, [])])
    known = replace(raised, state=AlertState.ACKNOWLEDGED, changed_at_us=NOW_US + 1)
    person.write([(known, [])], {raised.id: raised})
    woken = replace(raised, state=AlertState.SILENCED, changed_at_us=NOW_US + 2)
    other = replace(ALERT, device="another")
    with pytest.raises(ChangedMeanwhileError, match=f"alert {raised.id} has changed"):
        looks.write([(other, []), (woken, [])], {raised.id: raised})
    # Nothing of it was kept, the alert beside it neither.
    assert [one.state for one in looks.list_open()] == [AlertState.ACKNOWLEDGED]
    # The check of the check: who does not say what it was before writes over it.
    looks.write([(woken, [])])
    assert [one.state for one in looks.list_open()] == [AlertState.SILENCED]


def test_first_rule_is_made_once_by_all_who_start_at_once(
    options: PostgresOptions, database: PostgresDatabase
) -> None:
    with closing(PostgresDatabase(options)) as other:
        books = [AlertBook(database), AlertBook(other)]
        run_at_once(*(lambda book=book: book.put_first_rule(RULE) for book in books * 4))
        assert [one.id for one in books[0].list_rules()] == [1]
        books[1].drop_rule(1)
        books[0].put_first_rule(RULE)
        assert books[1].list_rules() == []


def run_at_once(*actions: Callable[[], object]) -> None:
    gate = threading.Barrier(len(actions))

    def run(action: Callable[[], object]) -> None:
        gate.wait(30)
        action()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_rules_that_are_made_at_once_are_all_kept(
    options: PostgresOptions, database: PostgresDatabase
) -> None:
    with closing(PostgresDatabase(options)) as other:
        books = [AlertBook(database), AlertBook(other)]
        run_at_once(
            *(
                lambda book=book, n=n: book.put_rule(replace(RULE, name=f"rule {n}"))
                for n, book in enumerate(books * 5)
            )
        )
    rules = books[0].list_rules()
    assert {one.name for one in rules} == {f"rule {n}" for n in range(10)}
    assert [one.id for one in rules] == list(range(1, 11))


def test_states_saved_at_once_are_those_of_one_of_them(
    options: PostgresOptions, database: PostgresDatabase
) -> None:
    states: dict[int, dict[str, Any]] = {rule: {"places": []} for rule in range(20)}
    with closing(PostgresDatabase(options)) as other:
        books = [AlertBook(database), AlertBook(other)]
        run_at_once(*(lambda book=book: book.save_states(states) for book in books * 4))
    assert books[0].load_states() == states


# ── incidents ────────────────────────────────────────────────────────────────────────────────


def test_state_that_a_person_gives_survives_looks_at_the_same_moment(
    options: PostgresOptions, database: PostgresDatabase
) -> None:
    with closing(PostgresDatabase(options)) as other:
        looks, person = SqlIncidentBook(database), SqlIncidentBook(other)
        looks.put_all([INCIDENT], 1)
        for n in range(10):
            looks.put_state(INCIDENT.id, IncidentState.OPEN, n)
            grown = replace(INCIDENT, end_us=INCIDENT.end_us + n)
            run_at_once(
                lambda grown=grown: looks.put_all([grown], 2),  # type: ignore[misc]  # the default binds the loop's name
                lambda: person.put_state(INCIDENT.id, IncidentState.ACKNOWLEDGED, 3),
                lambda grown=grown: looks.put_all([grown], 2),  # type: ignore[misc]  # the default binds the loop's name
            )
            found = person.find(INCIDENT.id)
            assert found.state is IncidentState.ACKNOWLEDGED


def test_incident_wakes_once_and_only_when_its_silence_is_over(database: PostgresDatabase) -> None:
    book, other = SqlIncidentBook(database), SqlIncidentBook(database)
    book.put_all([INCIDENT], 1)
    book.put_state(INCIDENT.id, IncidentState.SILENCED, 2, 100)
    assert not other.wake(INCIDENT.id, 99)
    assert other.wake(INCIDENT.id, 100)
    assert not book.wake(INCIDENT.id, 101)
    assert (book.find(INCIDENT.id).state, book.find(INCIDENT.id).changed_at_us) == (
        IncidentState.OPEN,
        100,
    )
    book.put_state(INCIDENT.id, IncidentState.ACKNOWLEDGED, 200)
    assert not other.wake(INCIDENT.id, 300)
