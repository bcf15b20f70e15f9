"""Samples as lines, and what they mean by a profile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.sample_routing import SampleRouter, make_topic
from wattscope.compute.samples.decoder import SampleDecoder
from wattscope.compute.samples.metric_map import MetricMap, parse_metric_map
from wattscope.compute.samples.sample_line import read_head, write_head
from wattscope.core.errors import SettingsError
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.reading import Reading
from wattscope.ports import RawMessage
from wattscope.registry.profile_library import ProfileLibrary

T = 1_760_000_000_000
WAGO = {
    "wago_power_total_kw": ("active_power_w", 1846.0),
    "wago_power_L1_kw": ("active_power_l1_w", 1846.0),
    "wago_power_L2_kw": ("active_power_l2_w", 1846.0),
    "wago_power_L3_kw": ("active_power_l3_w", 1846.0),
    "wago_energy_total_kwh": ("energy_total_wh", 1846.0),
    "wago_energy_L1_kwh": ("energy_total_l1_wh", 1846.0),
    "wago_energy_L2_kwh": ("energy_total_l2_wh", 1846.0),
    "wago_energy_L3_kwh": ("energy_total_l3_wh", 1846.0),
    "wago_frequency_hz": ("frequency_hz", 1.846),
    "wago_power_factor": ("power_factor", 1.846),
}
"""All that the exporter of the heat pump shows (its README)."""


def build(*metrics: dict[str, Any], **more: Any) -> MetricMap:  # noqa: ANN401  # TOML
    return parse_metric_map({"decoder": "prometheus", "metrics": list(metrics), **more})


def decode(metric_map: MetricMap, line: str | bytes) -> Any:  # noqa: ANN401  # of several kinds
    payload = line.encode() if isinstance(line, str) else line
    found = SampleDecoder(metric_map).decode(RawMessage("", payload, 0))
    return found[0] if isinstance(found, tuple) else found


_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(st.dictionaries(_NAMES, _NAMES, max_size=6), _NAMES)
def test_any_labels_come_back(labels: dict[str, str], name: str) -> None:
    whole = {**labels, "__name__": name}
    assert read_head(write_head(whole.items()).encode()) == whole


@given(st.binary(max_size=120))
def test_any_bytes_are_decoded_or_refused(payload: bytes) -> None:
    metric_map = build({"metric": "*", "meaning": "own", "device": "{*}"})
    found = decode(metric_map, payload)
    assert isinstance(found, Reading | Rejection | Ignored)


@pytest.mark.parametrize("metric", WAGO)
def test_wago_exporter_is_known(metric: str) -> None:
    name = "wago-exporter"
    router = SampleRouter([(name, parse_metric_map(ProfileLibrary().read(name)))])
    route = router.find(make_topic(metric))
    assert route is not None
    line = f'{metric}{{instance="10.0.0.5:9100",job="wago"}} 1.846 {T}'
    found = route.decode(RawMessage("", line.encode(), 0))
    quantity, value = WAGO[metric]
    assert found == (Reading("10.0.0.5:9100", T * 1000, (quantity,), (value,)),)
    assert router.find(make_topic(f"{metric}_total")) is None


def test_entries_are_chosen_by_labels_and_name_devices_by_template() -> None:
    metric_map = build(
        {
            "metric": "meter_power_*",
            "labels": {"phase": "L1"},
            "device": "{building}/{meter|instance}",
            "site": "{site}",
            "quantity": "active_power_l1_w",
            "unit": "kW",
        },
        {"metric": "meter_power_kw", "quantity": "active_power_w", "unit": "kW"},
    )
    head = 'meter_power_kw{building="b",instance="i:1",phase="L1",site="s"}'
    assert decode(metric_map, f"{head} 2 {T}") == Reading(
        "b/i:1", T * 1000, ("active_power_l1_w",), (2000.0,), None, "s"
    )
    assert decode(metric_map, f'meter_power_kw{{instance="i:1"}} 2 {T}') == Reading(
        "i:1", T * 1000, ("active_power_w",), (2000.0,)
    )
    missing = decode(metric_map, f'meter_power_kw{{phase="L1",site="s"}} 2 {T}')
    assert (missing.code.value, "building" in missing.detail) == ("missing_field", True)
    assert isinstance(decode(metric_map, f'meter_power_x{{phase="L3"}} 2 {T}'), Ignored)


def test_profile_that_takes_anything() -> None:
    metric_map = parse_metric_map(ProfileLibrary().read("prometheus"))
    head = 'node_load1{cpu="0",instance="pi:9100",job="node"}'
    assert decode(metric_map, f"{head} 0.5 {T}") == Reading(
        "0/pi:9100", T * 1000, ("node_load1__1",), (0.5,)
    )
    part = decode(metric_map, f'x_bucket{{instance="a",le="0.1"}} 1 {T}')
    assert isinstance(part, Ignored)
    assert not metric_map.knows("a" * 41)


def test_units_of_prometheus_become_base_units() -> None:
    for unit, quantity, factor in (
        ("J", "energy_import_wh", 1 / 3600),
        ("ratio", "state_of_charge_pct", 100.0),
        ("kW", "active_power_w", 1000.0),
    ):
        metric_map = build({"metric": "m", "quantity": quantity, "unit": unit})
        found = decode(metric_map, f'm{{instance="a"}} 36 {T}')
        assert found.values == (pytest.approx(36 * factor, rel=1e-14),)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"m 1 {T}", "missing_field"),
        (f'm{{instance="a"}} 1e999 {T}', "not_finite"),
        (f'm{{instance="a"}} -Inf {T}', "not_finite"),
        (f'm{{instance="a"}} 1_0 {T}', "not_number"),
        (f'm{{instance="a"}} {"1" * 99} {T}', "not_number"),
        (f'm{{instance="a"}} histogram {T}', "wrong_type"),
        ('m{instance="a"} 1 x', "bad_time"),
        ('m{instance="a"} 1 1760000000', "bad_time"),
        (f'm{{instance="../a"}} 1 {T}', "bad_name"),
        (f'm{{instance="{"a" * 200}"}} 1 {T}', "bad_name"),
        (f'm{{instance="{"a" * 20_000}"}} 1 {T}', "too_big"),
        (b'm{instance="\xff"} 1 1760000000000', "encoding"),
        (f'm{{instance="a",instance="b"}} 1 {T}', "duplicate_key"),
        ("", "syntax"),
    ],
)
def test_bad_sample_is_refused_with_its_reason(line: str | bytes, code: str) -> None:
    metric_map = build({"metric": "m", "quantity": "active_power_w"})
    assert decode(metric_map, line).code.value == code


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"metric": "m", "quantity": "active_powr_w"}, "is it active_power_w?"),
        ({"metric": "m", "quantity": "active_power_w", "unit": "kWh"}, "no unit of active_power_w"),
        ({"metric": "m", "quantity": "active_power_w", "device": "{a"}, "no template"),
        ({"metric": "m", "quantity": "active_power_w", "device": ""}, "device is empty"),
        ({"metric": "", "quantity": "active_power_w"}, "has no name"),
        ({"metric": "m", "meaning": "own", "unit": "W"}, "leave quantity and unit out"),
        ({"metric": "m", "quantty": "x"}, "unknown field"),
        ({"metric": "m", "meaning": "other"}, "other"),
    ],
)
def test_wrong_profile_is_refused_in_words(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace("?", r"\?")):
        build(entry)


def test_profile_needs_entries_and_its_decoder() -> None:
    with pytest.raises(SettingsError, match="there are none"):
        build()
    with pytest.raises(SettingsError, match="does not read samples"):
        build({"metric": "m", "meaning": "own"}, decoder="line_protocol")
