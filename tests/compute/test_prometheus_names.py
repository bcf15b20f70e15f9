"""Names, labels and the text: Prometheus' rules for every quantity that there is."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from wattscope.compute.prometheus_names import (
    OWN_NAME,
    Exposition,
    Family,
    MetricType,
    Scale,
    expose_quantity,
    expose_today,
)
from wattscope.compute.prometheus_page import build_page
from wattscope.compute.prometheus_renames import Rename, expose_renamed, list_rename_faults
from wattscope.core.quantities import QUANTITIES, Quantity, QuantityKind, find_quantity

STRINGS = ("dc_power_s1_w", "dc_voltage_s12_v", "dc_current_s64_a")


def quantity(name: str) -> Quantity:
    found = find_quantity(name)
    assert found is not None, name
    return found


EVERY = [*QUANTITIES.values(), *map(quantity, STRINGS), quantity("flow_rate__l_per_min")]


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_every_quantity_has_a_name_by_the_rules(one: Quantity) -> None:
    shown = expose_quantity(one)
    assert re.fullmatch(r"wattscope_[a-z][a-z0-9_]*", shown.family.name)
    is_counter = one.kind is QuantityKind.COUNTER
    assert shown.family.name.endswith("_total") == is_counter
    assert (shown.family.type is MetricType.COUNTER) == is_counter
    assert not re.search(r"_[lts]\d", shown.family.name)
    assert shown.family.help.endswith(".")


def test_no_two_quantities_of_a_device_make_the_same_sample() -> None:
    samples = [(expose_quantity(one).family.name, expose_quantity(one).labels) for one in EVERY]
    assert len(set(samples)) == len(samples)


def test_samples_of_a_name_agree_in_their_labels_type_and_words() -> None:
    """A sum over a name must count nothing twice: a total never stands beside its phases."""
    labels, families = defaultdict(set), defaultdict(set)
    for one in EVERY:
        shown = expose_quantity(one)
        labels[shown.family.name].add(tuple(name for name, _ in shown.labels))
        families[shown.family.name].add(shown.family)
    assert [name for name, kinds in labels.items() if len(kinds) > 1] == []
    assert [name for name, kinds in families.items() if len(kinds) > 1] == []


@pytest.mark.parametrize(
    ("name", "expected", "labels", "value", "shown_value"),
    [
        ("active_power_w", "active_power_watts", {}, 230.5, 230.5),
        ("active_power_l3_w", "phase_active_power_watts", {"phase": "l3"}, -5.0, -5.0),
        ("energy_total_wh", "energy_total_joules_total", {}, 1000.0, 3.6e6),
        ("energy_import_l1_wh", "phase_energy_import_joules_total", {"phase": "l1"}, 1.0, 3600.0),
        ("energy_export_t4_wh", "tariff_energy_export_joules_total", {"tariff": "4"}, 1, 3600.0),
        ("reactive_energy_import_varh", "reactive_energy_import_var_seconds_total", {}, 1, 3600.0),
        ("power_factor", "power_factor_ratio", {}, 0.98, 0.98),
        ("power_factor_l2", "phase_power_factor_ratio", {"phase": "l2"}, -0.9, -0.9),
        ("thd_l1_pct", "phase_thd_ratio", {"phase": "l1"}, 2.5, 0.025),
        ("current_n_a", "current_n_amperes", {}, 0.1, 0.1),
        ("frequency_hz", "frequency_hertz", {}, 50.02, 50.02),
        ("temperature_c", "temperature_celsius", {}, -3.0, -3.0),
        ("irradiance_w_m2", "irradiance_watts_per_square_meter", {}, 900.0, 900.0),
        ("gas_import_m3", "gas_import_cubic_meters_total", {}, 12.5, 12.5),
        ("co2_emission_delta_kg", "co2_emission_delta_grams", {}, 0.2, 200.0),
        ("energy_import_delta_wh", "energy_import_delta_joules", {}, 250.0, 9e5),
        ("operating_state", "operating_state", {}, 4.0, 4.0),
        ("dc_power_s12_w", "string_dc_power_watts", {"string": "12"}, 350.0, 350.0),
    ],
)
def test_quantity_in_base_units_with_its_parts_as_labels(
    name: str, expected: str, labels: dict[str, str], value: float, shown_value: float
) -> None:
    shown = expose_quantity(quantity(name))
    assert shown.family.name == f"wattscope_{expected}"
    assert dict(shown.labels) == labels
    page = build_page([shown])
    (family,) = text_string_to_metric_families(page.render(np.array([value]), np.array([True])))
    assert [sample.value for sample in family.samples] == [shown_value]


def test_words_of_a_meter_become_labels_and_no_name() -> None:
    shown = expose_quantity(quantity("operating_hours_total__h"))
    assert shown.family.name == OWN_NAME
    assert shown.labels == (("quantity", "operating_hours_total"), ("unit", "h"))
    assert expose_quantity(quantity("flow_rate__l_per_min")).labels[1] == ("unit", "l/min")
    assert expose_quantity(quantity("valve__1")).labels[1] == ("unit", "1")


def test_energy_of_today_is_a_gauge_with_the_same_labels() -> None:
    shown = expose_today(quantity("energy_total_l2_wh"))
    assert shown.family.name == "wattscope_phase_energy_total_today_joules"
    assert shown.family.type is MetricType.GAUGE
    assert shown.labels == (("phase", "l2"),)
    produced = expose_today(quantity("production_power_w"))
    assert produced.family.name == "wattscope_production_energy_today_joules"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back_from_a_label(text: str) -> None:
    # The text format knows line feeds only; Python's reader also ends lines at others.
    text = "".join(one for one in text if one == "\n" or one.isprintable())
    shown = Exposition(Family("a", MetricType.GAUGE, text), (("device", text),))
    written = build_page([shown]).render(np.array([1.0]), np.array([True]))
    (family,) = text_string_to_metric_families(written)
    assert family.samples[0].labels == {"device": text}


def test_label_is_written_as_the_format_says() -> None:
    shown = Exposition(Family("a", MetricType.GAUGE, "b"), (("device", 'x"y\\z\n'),))
    written = build_page([shown]).render(np.array([1.0]), np.array([True]))
    assert written.splitlines()[2] == r'a{device="x\"y\\z\n"} 1.0'


def test_page_groups_names_and_leaves_out_what_has_no_value() -> None:
    a, b, c = (Family(name, MetricType.GAUGE, f"{name}.") for name in "abc")
    page = build_page(
        [
            Exposition(b, (("x", "1"),)),
            Exposition(a, (("x", "1"),), Scale(divisor=1000.0)),
            Exposition(c, ()),
            Exposition(b, (("x", "2"),)),
            Exposition(a, (("x", "2"),), Scale(2.0, offset=-32.0)),
        ]
    )
    values = np.array([1.0, 1234.0, 5.0, 4.0, 10.0])
    text = page.render(values, np.array([False, True, False, True, True]))
    assert text == (
        "# HELP a a.\n# TYPE a gauge\n"
        'a{x="1"} 1.234\na{x="2"} 84.0\n'
        '# HELP b b.\n# TYPE b gauge\nb{x="2"} 4.0\n'
    )
    assert page.render(values, np.zeros(5, np.bool_)) == ""
    values[:] = np.nan
    assert page.render(values, np.ones(5, np.bool_)) == ""
    assert build_page([]).render(np.empty(0), np.empty(0, np.bool_)) == ""


# ── names of one's own ───────────────────────────────────────────────────────────────────────


def render_renamed(one: Rename, value: float) -> dict[str, tuple[str, float]]:
    """Sample name to type and value."""
    assert list_rename_faults([one]) == []
    shown = expose_renamed(one)
    text = build_page(shown).render(np.full(len(shown), value), np.ones(len(shown), np.bool_))
    return {
        sample.name: (family.type, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_gauge_has_the_name_and_the_unit_that_were_asked_for() -> None:
    one = Rename("wago_power_L1_kw", "wago", "active_power_l1_w", "kW")
    assert render_renamed(one, 46.0) == {"wago_power_L1_kw": ("gauge", 0.046)}
    plain = Rename("wago_power_factor", "wago", "power_factor")
    assert render_renamed(plain, 0.97) == {"wago_power_factor": ("gauge", 0.97)}
    warm = Rename("outside_f", "yard", "temperature_c", "°F")
    assert render_renamed(warm, 20.0)["outside_f"][1] == pytest.approx(68.0)
    small = Rename("power_mw", "yard", "active_power_w", "mW")
    assert render_renamed(small, 0.3) == {"power_mw": ("gauge", 300.0)}


def test_counter_is_typed_as_one_and_answers_under_the_old_name_too() -> None:
    one = Rename("wago_energy_total_kwh", "wago", "energy_total_wh", "kWh")
    assert render_renamed(one, 1234_567.0) == {
        "wago_energy_total_kwh": ("unknown", 1234.567),
        "wago_energy_total_kwh_total": ("counter", 1234.567),
    }
    named = Rename("wago_kwh_total", "wago", "energy_total_wh", "kWh")
    assert render_renamed(named, 1000.0) == {"wago_kwh_total": ("counter", 1.0)}


@pytest.mark.parametrize(
    ("renames", "words"),
    [
        ([Rename("wago power", "a", "active_power_w")], "is no name of a metric"),
        ([Rename("1st", "a", "active_power_w")], "is no name of a metric"),
        ([Rename("a:b", "a", "active_power_w")], "is no name of a metric"),
        ([Rename("wattscope_x", "a", "active_power_w")], "the program's own"),
        ([Rename("x", "a", "activ_power_w")], "did you mean active_power_w"),
        ([Rename("x", "a", "active_power_w", "kWh")], "valid are GW, MW, W, kW, mW"),
        ([Rename("x", "a", "flow__l_per_min", "m3/h")], "valid are l/min"),
        ([Rename("x_total", "a", "active_power_w")], "only counters end in _total"),
        (
            [
                Rename("x", "a", "energy_total_wh"),
                Rename("x_total", "a", "energy_import_wh"),
            ],
            "x_total: x_total is given by x already",
        ),
    ],
)
def test_name_that_cannot_be_meant_is_a_fault_in_words(renames: list[Rename], words: str) -> None:
    faults = list_rename_faults(renames)
    assert len(faults) == 1
    assert words in faults[0]
    assert faults[0].startswith(f"{renames[-1].name}: ")
