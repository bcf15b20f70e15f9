"""Bad MQTT messages 1 to 20 and what becomes of them: stored, flagged, set aside, or counted.

Each runs through the real profiles, registry, log and store, between two good neighbours that it
must never harm, and in the end the four counters must add up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.pipeline.ways import (
    DEMAND,
    NOW,
    Way,
    demand,
    open_way,
    panel,
    panel_text,
    raw,
)
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, US_PER_S, format_utc
from wattscope.ports import RawMessage

PANEL = "sensors/p1/readings"
DEEP = '{"panel_id":"p1","x":' + "[" * 33 + "]" * 33 + "}"
WIDE = json.dumps({f"k{n}": n for n in range(1001)})


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    with open_way(tmp_path / "data") as opened:
        yield opened


def between_neighbours(way: Way, *messages: RawMessage) -> None:
    """The messages in one group with good ones before and behind them."""
    before, behind = panel("good1", ago_us=US_PER_S), panel("good2", ago_us=US_PER_S)
    way.take(before, *messages, behind)
    devices = {device for device, *_ in way.stored()}
    assert {"good1", "good2"} <= devices
    way.assert_counters_add_up()


def values_of(way: Way, device: str) -> dict[str, float | None]:
    return {quantity: value for one, quantity, value, _ in way.stored() if one == device}


ASIDE: list[tuple[str, str, Sequence[RawMessage]]] = [
    ("1 truncated", "json_syntax", [raw(PANEL, panel().payload[:-7])]),
    ("1 not JSON", "json_syntax", [raw(PANEL, "<html>502 Bad Gateway</html>")]),
    ("1 empty", "no_value", [raw(PANEL, b"")]),
    ("2 NaN", "not_finite", [panel_text("NaN")]),
    ("2 Infinity", "not_finite", [panel_text("-Infinity")]),
    ("2 1e400", "not_finite", [panel_text("1e400")]),
    ("2 bare nan", "not_finite", [raw(DEMAND, "nan")]),
    ("3 duplicate key", "duplicate_key", [panel_text('1, "power_output_watts": 2')]),
    ("4 underscore", "not_number", [panel_text('"1_000"')]),
    ("4 other digits", "not_number", [panel_text('"٣"')]),
    ("4 spaces", "not_number", [panel_text('" 5 "')]),
    ("4 bare underscore", "not_number", [raw(DEMAND, "1_000")]),
    ("5 true", "wrong_type", [panel_text("true")]),
    ("5 list", "wrong_type", [panel_text("[1]")]),
    ("6 deep", "too_big", [raw(PANEL, DEEP)]),
    ("6 wide", "too_big", [raw(PANEL, WIDE)]),
    ("6 long", "too_big", [raw(PANEL, b'{"panel_id":"' + b"x" * 70_000)]),
    ("7 beyond 2^53", "range", [panel_text(str(2**53 + 1))]),
    ("7 5,000 digits", "range", [panel_text("9" * 5000)]),
    ("8 NUL", "bad_name", [panel("a\0b", topic="sensors/a\0b/readings")]),
    ("8 10 KB name", "bad_name", [panel("x" * 10_000)]),
    ("9 dots", "bad_name", [panel("../etc", topic="sensors/x/readings")]),
    ("9 script", "bad_name", [panel("<script>alert(1)</script>", topic="sensors/x/readings")]),
    ("9 formula", "bad_name", [panel("=cmd|' /C calc'!A0", topic="sensors/x/readings")]),
    ("9 quote", "bad_name", [panel("a'; DROP TABLE devices; --", topic="sensors/x/readings")]),
    ("10 other device", "identity_mismatch", [panel("p2", topic=PANEL)]),
    ("17 future", "future", [panel(ago_us=-6 * US_PER_MINUTE)]),
    ("18 1970", "bad_time", [panel(timestamp="1970-01-01T00:00:00Z")]),
    ("18 2000", "bad_time", [panel(timestamp="2000-01-01T00:00:00Z")]),
    ("18 ms for s", "bad_time", [panel(timestamp=NOW // 1000)]),
    ("18 us for s", "bad_time", [panel(timestamp=NOW)]),
    # More than 2^53 of them, so row 7 comes first.
    ("18 ns for s", "range", [panel(timestamp=NOW * 1000)]),
    ("20 beyond a profile's range", "range", [panel(temperature_celsius=900.0)]),
    ("nobody's topic", "unknown_format", [raw("who/knows", "1")]),
]


@pytest.mark.parametrize(
    ("code", "messages"), [row[1:] for row in ASIDE], ids=[row[0] for row in ASIDE]
)
def test_message_is_set_aside_with_its_reason(
    code: str, messages: Sequence[RawMessage], way: Way
) -> None:
    between_neighbours(way, *messages)
    assert way.codes() == [code]
    [shelved] = way.shelf.list_newest(9)
    assert shelved.item.detail
    assert shelved.item.received_at_us == NOW
    assert messages[0].payload.startswith(shelved.item.payload)
    assert {device for device, *_ in way.stored()} == {"good1", "good2"}


def test_1_payload_that_is_not_utf_8_is_set_aside(way: Way) -> None:
    between_neighbours(way, raw(PANEL, b'{"panel_id": "p\xff"}'))
    assert way.codes()[0] in {"encoding", "json_syntax"}


def test_5_null_is_a_gap_and_the_rest_is_kept(way: Way) -> None:
    between_neighbours(way, panel_text("null"))
    assert values_of(way, "p1") == {
        "temperature_c": 41.5,
        "dc_voltage_v": 32.5,
        "dc_current_a": 8.5,
    }
    assert way.codes() == []


def test_5_message_of_nulls_is_never_a_zero(way: Way) -> None:
    between_neighbours(
        way,
        panel(
            temperature_celsius=None,
            voltage_volts=None,
            current_amperes=None,
            power_output_watts=None,
        ),
    )
    assert way.codes() == ["no_value"]


def test_6_of_a_message_beyond_all_bounds_the_head_is_kept(way: Way) -> None:
    between_neighbours(way, raw(PANEL, b"x" * 200_000))
    [shelved] = way.shelf.list_newest(9)
    assert len(shelved.item.payload) == 1024


@pytest.mark.parametrize("escaped", ["\\ud800", "a\\u0000b", "a\\u001fb"])
def test_8_name_that_cannot_be_printed_is_set_aside(escaped: str, way: Way) -> None:
    payload = panel("name").payload.decode().replace('"name"', f'"{escaped}"')
    between_neighbours(way, raw("sensors/x/readings", payload))
    assert way.codes() in (["bad_name"], ["encoding"])


def test_9_unusual_name_within_the_charset_is_plain_data(way: Way) -> None:
    between_neighbours(way, panel("Süd Dach 2:a@b"))
    assert values_of(way, "Süd Dach 2:a@b")["production_power_w"] == 276.25


def test_11_unknown_device_is_set_aside_and_replayed_after_approval(tmp_path: Path) -> None:
    with open_way(tmp_path / "data", is_open=False) as way:
        way.take(panel())
        assert way.codes() == ["unknown_device"]
        way.assert_counters_add_up()
        assert way.stored() == []
    with open_way(tmp_path / "data") as way:
        [shelved] = way.shelf.list_unreplayed()
        way.take(raw(shelved.item.topic, shelved.item.payload))
        assert values_of(way, "p1")["production_power_w"] == 276.25


def test_12_series_beyond_the_limit_are_not_made(tmp_path: Path) -> None:
    with open_way(tmp_path / "data", max_series=9) as way:
        way.take(panel("a"), panel("b"), panel("c"), panel("a", ago_us=US_PER_S))
        assert way.codes() == ["series_limit"]
        assert {device for device, *_ in way.stored()} == {"a", "b"}
        assert way.registry.count_series() == 8
        way.assert_counters_add_up()


def test_13_retained_message_without_an_instant_is_ignored(way: Way) -> None:
    between_neighbours(way, demand("1234", is_retained=True))
    assert way.tally.ignored == 1
    assert values_of(way, "xcel_itron_5") == {}


def test_13_retained_message_with_a_new_instant_is_stored_once(way: Way) -> None:
    kept = panel()._replace(is_retained=True)
    between_neighbours(way, kept)
    way.take(kept, kept)
    assert len([row for row in way.stored() if row[0] == "p1"]) == 4
    assert way.tally.duplicate == 8
    way.assert_counters_add_up()


def test_14_same_value_again_is_absorbed(way: Way) -> None:
    between_neighbours(way, panel(), panel())
    way.take(panel())
    assert len([row for row in way.stored() if row[0] == "p1"]) == 4
    assert way.tally.duplicate == 8
    way.assert_counters_add_up()


def test_14_redelivered_message_without_an_instant_is_absorbed(way: Way) -> None:
    way.take(demand("500", mid=7))
    way.take(
        demand("500", mid=7, is_redelivered=True, received_at_us=NOW + US_PER_S),
        demand("500", mid=8, received_at_us=NOW + 2 * US_PER_S),
        demand("600", mid=7, is_redelivered=True, received_at_us=NOW + 3 * US_PER_S),
    )
    assert [value for *_, value, _ in way.stored()] == [500.0, 500.0, 600.0]
    assert way.tally.duplicate == 1
    way.assert_counters_add_up()


def test_14_redelivered_message_that_never_became_durable_is_taken(way: Way) -> None:
    """The commit failed after the message was decoded: its second coming is the first to count."""
    way.intake.take_in([demand("500", mid=7)])
    prepared = way.intake.take_in([demand("500", mid=7, is_redelivered=True)])
    assert len(prepared.batch) == 1
    assert prepared.n_duplicate == 0


def test_14_message_twice_in_a_group_is_taken_once(way: Way) -> None:
    prepared = way.intake.take_in([demand("500", mid=7), demand("500", mid=7, is_redelivered=True)])
    assert (len(prepared.batch), prepared.n_duplicate) == (1, 1)


def test_15_other_value_for_an_instant_is_kept_aside(way: Way) -> None:
    between_neighbours(way, panel(), panel(power_output_watts=300.0))
    assert values_of(way, "p1")["production_power_w"] == 276.25
    assert way.codes() == ["conflict"]
    [shelved] = way.shelf.list_newest(9)
    assert shelved.item.payload == b"300.0"
    assert way.tally.duplicate == 3


def test_16_late_message_is_stored_flagged_and_rolled_up(way: Way) -> None:
    way.take(panel(ago_us=30 * US_PER_DAY + US_PER_MINUTE))
    way.take(panel())
    way.persist.flush()
    between_neighbours(way, panel(ago_us=30 * US_PER_DAY))
    flagged = [row for row in way.stored() if row[3] == "late"]
    assert len(flagged) == 4
    for _ in range(2):
        days = way.store.query(
            "SELECT count FROM rollup_1d WHERE device = 'p1' AND quantity = 'production_power_w' "
            "ORDER BY bucket_start"
        )
        assert days.rows == [(2,), (1,)]
        way.persist.flush()


def test_17_five_minutes_ahead_is_still_taken(way: Way) -> None:
    between_neighbours(way, panel(ago_us=-5 * US_PER_MINUTE))
    assert way.codes() == []


def test_17_device_without_a_clock_is_stored_at_its_receipt(way: Way) -> None:
    between_neighbours(way, demand("500"))
    answer = way.store.query(
        "SELECT epoch_us(measured_at) FROM readings WHERE device = 'xcel_itron_5'"
    )
    # The second message of its group: each is a microsecond behind the one before.
    assert answer.rows == [(NOW + 1,)]


def test_17_two_values_of_one_topic_read_together_are_two_readings(way: Way) -> None:
    way.take(demand("500"), demand("600"))
    answer = way.store.query(
        "SELECT value FROM readings WHERE device = 'xcel_itron_5' ORDER BY measured_at"
    )
    assert answer.rows == [(500.0,), (600.0,)]
    assert way.codes() == []


REGISTER = "homeassistant/sensor/xcel_itron_5/Current_Summation_Received/state"


def registers(*values: int) -> list[RawMessage]:
    """One register reading a minute."""
    return [
        raw(REGISTER, str(value), received_at_us=NOW + n * US_PER_MINUTE)
        for n, value in enumerate(values)
    ]


def bought_wh(way: Way) -> float:
    return float(way.store.query("SELECT sum(increase) FROM rollup_1h").rows[0][0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1000, 1010, 1020), 20.0),
        ((1000, 1010, 4, 9), 10.0),
        ((1000, 1010, 4, 9, 12), 10.0 + 4.0 + 5.0 + 3.0),
        ((1000, 1010, 0, 1020), 20.0),
        ((1000, 1010, 990, 1020), 20.0),
        ((99_990, 99_999, 5, 12, 20), 9.0 + 5.0 + 7.0 + 8.0),
    ],
    ids=["rising", "19 held", "19 reset", "19 glitch to zero", "19 glitch back", "19 rollover"],
)
def test_19_counter_that_falls_never_gives_negative_energy(
    values: tuple[int, ...], expected: float, way: Way
) -> None:
    way.take(*registers(*values))
    assert bought_wh(way) == pytest.approx(expected)
    assert way.store.query("SELECT count(*) FROM rollup_1m WHERE increase < 0").rows == [(0,)]


def test_20_value_outside_physical_limits_is_flagged_and_left_out_of_sums(way: Way) -> None:
    topic, names = "energy/meters/m1", ("power", "voltage", "current", "energy")
    sound = {"meter_id": "m1", "timestamp": format_utc(NOW), **dict.fromkeys(names, 1.0)}
    earlier = sound | {"timestamp": format_utc(NOW - US_PER_S)}
    between_neighbours(
        way,
        raw(topic, json.dumps(sound | {"frequency": 900.0})),
        raw(topic, json.dumps(earlier | {"frequency": 50.0})),
    )
    [row] = [row for row in way.stored() if row[2] == 900.0]
    assert row == ("m1", "frequency_hz", 900.0, "implausible")
    means = way.store.query("SELECT count, mean FROM rollup_1d WHERE quantity = 'frequency_hz'")
    assert means.rows == [(1, 50.0)]


def test_20_register_that_jumps_a_thousandfold_and_back_counts_nothing(way: Way) -> None:
    way.take(*registers(1000, 1010, 1_015_000, 1020))
    assert bought_wh(way) == pytest.approx(20.0)


def test_all_of_them_at_once_add_up(way: Way) -> None:
    messages = [message for _, _, group in ASIDE for message in group]
    between_neighbours(way, *messages, panel(), panel(), demand("1"), *registers(5, 6))
    assert sorted(way.codes()) == sorted(code for _, code, _ in ASIDE)
    assert way.tally.messages == len(messages) + 7


def test_restart_shows_and_counts_the_same(tmp_path: Path) -> None:
    with open_way(tmp_path / "data") as way:
        way.take(panel(), raw(PANEL, "{"))
        before, codes = way.stored(), way.codes()
        way.store._engine.close()
        way.store.close = lambda: None  # type: ignore[method-assign]  # killed, not closed
    with open_way(tmp_path / "data") as again:
        assert again.stored() == before
        assert again.codes() == codes
        assert again.tally.received == again.tally.stored == 0


def test_decoding_is_the_same_however_messages_are_grouped(tmp_path: Path) -> None:
    messages = [message for _, _, group in ASIDE for message in group]
    messages += [panel(ago_us=n * US_PER_S) for n in range(5)]
    found = []
    for size in (1, 3, len(messages)):
        with open_way(tmp_path / f"data{size}") as way:
            for start in range(0, len(messages), size):
                way.take(*messages[start : start + size])
            plain = [(device, name, value) for device, name, value, _ in way.stored()]
            found.append((plain, sorted(way.codes())))
            way.assert_counters_add_up()
    assert found[0] == found[1] == found[2]
