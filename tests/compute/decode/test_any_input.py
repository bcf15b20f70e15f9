"""Nothing raises out of a decoder, and what it lets pass keeps the promises of a reading."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compute.decode.routes import list_profiles, load_profile
from wattscope.compute.decode import DECODERS, grid_meter_json, panel_json
from wattscope.compute.decode.clock import EARLIEST_US, LATEST_US
from wattscope.compute.decode.profile import Profile
from wattscope.compute.decode.route import Decoded, Route
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.quantities import QUANTITIES
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import is_safe_name
from wattscope.ports import RawMessage

BERLIN = load_zone("Europe/Berlin")
SHIPPED = [load_profile(path) for path in list_profiles()]

# Keys and topic levels that lead the decoders into all of their branches.
KEYS = (
    *("panel_id", "meter_id", "timestamp", "temperature_celsius", "voltage_volts"),
    *("current_amperes", "power_output_watts", "power", "voltage", "current", "frequency"),
    *("energy", "ENERGY", "StatusSNS", "Time", "Power", "Total", "Voltage", "TIC", "PAPP"),
    *("em:0", "emdata:0", "switch:1", "total_act_power", "total_act", "aenergy", "total"),
    *("apower", "params", "ts", "method", "sys", "unixtime", "last_seen", "value", "type"),
    *("Body", "Data", "Site", "P_Grid", "P_Akku", "Head", "Timestamp", "PAC", "Value", "Values"),
    *("production", "readingTime", "wNow", "external", "emeter", "get_realtime", "power_mw"),
    *("wattsNow", "active_power_w", "power_w", "1", "id"),
)
LEVELS = (
    *("sensors", "readings", "P1", "tele", "stat", "SENSOR", "STATUS8", "status", "events"),
    *("rpc", "em:0", "switch:1", "shellies", "emeter", "0", "power", "zigbee2mqtt", "N"),
    *("grid", "Ac", "Power", "homeassistant", "sensor", "Instantaneous_Demand", "value"),
    *("state", "xcel_itron_5", "temperature", "", "..", "$SYS", "\x00", "\ud800", "x" * 200),
)

topics = st.lists(st.sampled_from(LEVELS) | st.text(max_size=4), max_size=7).map("/".join)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, 2**53, 2**53 + 1, 1e300, 1_747_561_101, 1_747_561_101_000])
)
leaves = (
    st.none()
    | st.booleans()
    | numbers
    | st.text(max_size=6)
    | st.sampled_from(
        ["P1", "2024-06-28T14:12:34Z", "2024-10-27T02:30:00", "NotifyStatus", "eim", "gas_meter"]
    )
)
documents = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=8)
    ),
    max_leaves=25,
)
payloads = (
    st.binary(max_size=80)
    | documents.map(lambda document: json.dumps(document).encode())
    | st.dictionaries(st.sampled_from(KEYS), documents, max_size=10).map(
        lambda document: json.dumps(document).encode()
    )
    | numbers.map(lambda number: repr(number).encode())
)


def _check(decoded: Decoded) -> None:
    """The promises of whatever a decoder gives."""
    if isinstance(decoded, Rejection):
        assert 0 < len(decoded.detail) < 400
        assert decoded.detail.isprintable()
        return
    if isinstance(decoded, Ignored):
        assert decoded.reason
        return
    assert decoded
    for reading in decoded:
        assert is_safe_name(reading.device)
        assert reading.measured_at_us is None or EARLIEST_US <= reading.measured_at_us < LATEST_US
        assert len(reading.quantities) == len(reading.values) > 0
        assert len(set(reading.quantities)) == len(reading.quantities)
        assert set(reading.quantities) <= QUANTITIES.keys()
        assert all(type(value) is float and math.isfinite(value) for value in reading.values)


def _find_example_topic(profile: Profile) -> str:
    return profile.topics[0].replace("+", "P1").replace("#", "P1/0/power")


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.name)
@given(topic=topics, payload=payloads, is_example=st.booleans())
@settings(max_examples=150, deadline=None)
def test_decoder_answers_any_message(
    profile: Profile, topic: str, payload: bytes, *, is_example: bool
) -> None:
    chosen = _find_example_topic(profile) if is_example else topic
    message = RawMessage(chosen, payload, received_at_us=0)
    _check(DECODERS[profile.decoder](message, profile.build_route(BERLIN)))


def test_a_shipped_profile_exists_for_every_decoder() -> None:
    assert {profile.decoder for profile in SHIPPED} == set(DECODERS)


# ---- the fast way of the two JSON formats says exactly what the strict way says

PANEL_KEYS = (
    *("panel_id", "timestamp", "temperature_celsius", "voltage_volts"),
    *("current_amperes", "power_output_watts"),
)
METER_KEYS = ("meter_id", "timestamp", "power", "voltage", "current", "frequency", "energy")
odd_texts = st.sampled_from(
    [
        *('"P1"', '"P2"', '"\\u00501"', '"P\\"1"', '"<b>"', '""', "null", "true", "[]", "{}"),
        *("NaN", "-Infinity", "1e400", "1e308", "-0", "0.1", "9007199254740991"),
        *("[48.1,11.5]", "[1,9007199254740993]", "[1,2,3]", '{"lat":1,"lon":2}', '"here"'),
        *("9007199254740992", "9007199254740993", "-9007199254740993", "01", "1_0", "1.", '"5"'),
        *('"2024-06-28T14:12:34Z"', '"2024-06-28T14:12:34.1234567Z"', '"2024-10-27T02:30:00"'),
        *('"1999-01-01T00:00:00Z"', '"2024-06-28"', "1719583954"),
    ]
)


def _spell(pairs: list[tuple[str, str]], gap: str) -> bytes:
    return ("{" + f",{gap}".join(f'"{key}":{gap}{text}' for key, text in pairs) + "}").encode()


@st.composite
def nearly_complete(draw: st.DrawFn, keys: tuple[str, ...]) -> bytes:
    """A complete message with up to two faults: changed, doubled, left out or unknown keys."""
    number = st.floats(-1e6, 1e6).map(repr) | st.integers(-1000, 1000).map(str)
    pairs = [(keys[0], '"P1"'), (keys[1], '"2024-06-28T14:12:34Z"')]
    pairs += [(key, draw(number)) for key in keys[2:]]
    for _ in range(draw(st.integers(0, 2))):
        fault = draw(st.sampled_from(("change", "double", "drop", "add", "shuffle")))
        at = draw(st.integers(0, len(pairs) - 1))
        if fault == "change":
            pairs[at] = (pairs[at][0], draw(odd_texts))
        elif fault == "double":
            pairs.append((pairs[at][0], draw(odd_texts)))
        elif fault == "drop":
            del pairs[at]
        elif fault == "add":
            pairs.append(
                (draw(st.sampled_from(("location", "location", "\\u0061", "x"))), draw(odd_texts))
            )
        else:
            pairs = draw(st.permutations(pairs))
    return _spell(pairs, draw(st.sampled_from(("", " ", "\n\t"))))


def _give_outcome(decoded: Decoded) -> object:
    return decoded.code if isinstance(decoded, Rejection) else decoded


def _find_route(name: str) -> Route:
    return next(profile for profile in SHIPPED if profile.name == name).build_route(BERLIN)


@given(nearly_complete(PANEL_KEYS))
@settings(max_examples=600, deadline=None)
def test_fast_way_of_panels_says_what_the_strict_way_says(payload: bytes) -> None:
    route = _find_route("panel-json")
    message = RawMessage("sensors/P1/readings", payload, received_at_us=0)
    fast, strict = panel_json.decode(message, route), panel_json._decode_strictly(message, route)
    assert _give_outcome(fast) == _give_outcome(strict)
    _check(fast)


@given(nearly_complete(METER_KEYS), st.sampled_from(("", "-interval")))
@settings(max_examples=600, deadline=None)
def test_fast_way_of_meters_says_what_the_strict_way_says(payload: bytes, form: str) -> None:
    route = _find_route(f"grid-meter{form}-json")
    message = RawMessage("energy/meters/P1", payload, received_at_us=0)
    fast = grid_meter_json.decode(message, route)
    strict = grid_meter_json._decode_strictly(message, route)
    assert _give_outcome(fast) == _give_outcome(strict)
    _check(fast)


def test_complete_message_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example beside the properties: otherwise, they would compare the strict way to itself."""
    monkeypatch.delattr(panel_json, "_decode_strictly")
    payload = (
        b'{"panel_id":"P1","timestamp":"2024-06-28T14:12:34Z","temperature_celsius":25,'
        b'"voltage_volts":48.2,"current_amperes":8.5,"power_output_watts":409.7}'
    )
    message = RawMessage("sensors/P1/readings", payload, received_at_us=0)
    decoded = panel_json.decode(message, _find_route("panel-json"))
    assert isinstance(decoded, tuple)
    assert decoded[0].values == (25.0, 48.2, 8.5, 409.7)
    assert decoded[0].quantities is panel_json.QUANTITIES
