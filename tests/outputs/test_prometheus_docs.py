"""The page and the rules name what the program gives, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wattscope.compute.prometheus_names import expose_quantity, expose_today
from wattscope.compute.promql.aggregation import OPERATORS
from wattscope.compute.promql.functions import OTHER_FUNCTIONS, VALUE_FUNCTIONS
from wattscope.compute.promql.windows import RANGE_FUNCTIONS
from wattscope.core.quantities import QUANTITIES, Quantity, QuantityKind, find_quantity
from wattscope.settings import load_settings, parse_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "prometheus.md"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
_ROW = re.compile(r"^\| `(\w+)` \| `(wattscope_\w+)` \|(.*)\|$", re.MULTILINE)
DEVICE_NAMES = {
    "wattscope_device_up",
    "wattscope_device_info",
    "wattscope_device_last_reading_timestamp_seconds",
}


def list_names() -> set[str]:
    """Every name that a device may have."""
    quantities = [*QUANTITIES.values(), find("flow_rate__l_per_min"), find("dc_power_s2_w")]
    names = {expose_quantity(one).family.name for one in quantities}
    names |= {
        expose_today(one).family.name
        for one in quantities
        if (one.is_energy and one.kind is QuantityKind.COUNTER) or one.is_power
    }
    return names | DEVICE_NAMES


def find(name: str) -> Quantity:
    found = find_quantity(name)
    assert found is not None
    return found


def test_table_of_names_is_what_the_program_does() -> None:
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rows) > 15
    for quantity, name, labels in rows:
        shown = expose_quantity(find(quantity))
        assert shown.family.name == name
        assert re.findall(r'(\w+)="([^"]*)"', labels) == list(shown.labels)


@pytest.mark.parametrize("path", [PAGE, RULES], ids=lambda path: path.name)
def test_every_name_of_ours_in_page_and_rules_exists(path: Path) -> None:
    named = set(re.findall(r"wattscope_\w+", path.read_text(encoding="utf-8")))
    groups = {"wattscope_energy", "wattscope_power", "wattscope_grid_quality", "wattscope_alerts"}
    assert named - groups
    assert named - groups <= list_names()


def test_every_rule_stands_on_the_page() -> None:
    rules = re.findall(r"(?:record|alert): (\S+)", RULES.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert len(rules) > 10
    unnamed = [one for one in rules if one not in text and "energy_" not in one]
    assert unnamed == []


def test_recipe_of_the_heat_pump_has_the_names_of_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    recipe = ROOT / "src" / "wattscope" / "recipes" / "heatpump.toml"
    assert parse_settings(page).prometheus == load_settings(recipe).prometheus


def test_page_lists_what_is_answered_of_promql() -> None:
    rows = dict(
        re.findall(
            r"^\| (aggregations|of a range|of values|others) \| (.*) \|$",
            PAGE.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    listed = {kind: re.findall(r"`(\w+)`", names) for kind, names in rows.items()}
    assert listed == {
        "aggregations": sorted(OPERATORS),
        "of a range": sorted(RANGE_FUNCTIONS),
        "of values": sorted(VALUE_FUNCTIONS),
        "others": sorted(OTHER_FUNCTIONS),
    }
