"""Maps of columns and lines come from TOML or from one line of words, with all faults at once."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.files.column_map import ColumnMap, MappedColumn, Stamp, parse_column_map
from wattscope.compute.files.map_option import parse_map_option
from wattscope.core.errors import SettingsError
from wattscope.core.topology import DeviceKind, Sampling

PROFILES = Path(__file__).parents[3] / "src" / "wattscope" / "profiles"


def _load(name: str) -> ColumnMap:
    text = (PROFILES / f"{name}.toml").read_text(encoding="utf-8")
    return parse_column_map(tomllib.loads(text))


@pytest.mark.parametrize(
    "name",
    ["uci-household", "uci-household-sums", "uci-steel-industry", "pjm-hourly", "generic-csv"],
)
def test_the_profiles_of_tables_are_sound_and_called_like_their_files(name: str) -> None:
    assert _load(name).name == name


def test_the_household_is_a_tree_of_four_meters() -> None:
    column_map = _load("uci-household")
    site = column_map.describe_site()
    assert site is not None
    assert (site.id, site.time_zone) == ("household", "Europe/Paris")
    devices = column_map.list_devices(site.id)
    assert [device.parent for device in devices] == [None, *["household"] * 3]
    assert {device.interval_s for device in devices} == {60.0}
    assert {device.sampling for device in devices} == {Sampling.MEAN}
    assert {device.kind for device in devices} == {DeviceKind.METER}


def test_devices_that_only_columns_name_are_listed_too() -> None:
    column_map = parse_map_option("time=t,active_power_w=p@plug,voltage_v=u")
    assert [device.id for device in column_map.list_devices("home")] == ["meter", "plug"]


def test_a_line_of_words_says_all_that_a_profile_can() -> None:
    column_map = parse_map_option(
        'time=Date+"T,ime",time_format="%d/%m/%Y %H:%M:%S",time_zone=+01:00,delimiter=tab,'
        'missing=?|,interval_s=60,sampling=mean,stamp=end,active_power_w="P: a@b":kW@m-1,'
        "energy_import_delta_wh=E"
    )
    assert column_map.time_columns == ("Date", "T,ime")
    assert column_map.time_format == "%d/%m/%Y %H:%M:%S"
    assert column_map.time_zone == "+01:00"
    assert column_map.delimiter == "\t"
    assert column_map.missing == ("?", "")
    assert (column_map.interval_s, column_map.stamp) == (60.0, Stamp.END)
    assert column_map.sampling is Sampling.MEAN
    assert column_map.columns == (
        MappedColumn("P: a@b", "active_power_w", "kW", "m-1"),
        MappedColumn("E", "energy_import_delta_wh"),
    )


def test_a_line_of_words_changes_a_profile_only_where_it_speaks() -> None:
    base = _load("generic-csv")
    column_map = parse_map_option("time=when,active_power_w=p", base)
    assert column_map.missing == base.missing
    assert column_map.delimiter == base.delimiter
    assert not column_map.columns_from_header
    kept = parse_map_option("time=when", base)
    assert kept.columns_from_header


def test_midnight_may_end_its_day_where_times_are_of_the_wall() -> None:
    words = 'time=t,active_power_w=p,time_format="%d.%m.%Y %H:%M"'
    assert not parse_map_option(words).midnight_is_day_end
    assert parse_map_option(f"{words},midnight_is_day_end=true").midnight_is_day_end
    with pytest.raises(SettingsError, match="midnight_is_day_end"):
        parse_map_option('time=t,active_power_w=p,time_format="%H:%M %z",midnight_is_day_end=true')


def test_all_faults_of_a_line_are_listed_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_map_option("nonsense,activ_power_w=p,voltage_v=u:kW,interval_s=soon,stamp=end")
    text = str(caught.value)
    for word in ("nonsense", "active_power_w?", "'kW' is no unit of voltage_v", "soon", "time"):
        assert word in text
    assert "'end' needs interval_s" in text


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("", "time_columns"),
        ("time=t", "columns"),
        ('time=t,active_power_w="p', "not closed"),
        ("time=t,active_power_w=p,active_power_w=q", "mapped twice"),
        ("time=t,active_power_w=p@../x", "key of a device"),
        ("time=t,active_power_w=p,time_zone=Mars/X", "Mars/X"),
        ("time=t,active_power_w=p,delimiter=ab", "delimiter"),
        ("time=t,active_power_w=p,decimal=x", "decimal"),
        ("time=t,active_power_w=p,time_format=dd.mm.yyyy", "time_format"),
        ("time=t,active_power_w=p,time_format=%Q", "time_format"),
        ("time=t,active_power_w=p,time_format=%d%", "time_format"),
        ("time=t,active_power_w=p,has_header=maybe", "has_header"),
        ("time=t,active_power_w=p,interval_s=nan", "interval_s"),
        ("time=t,active_power_w=p,midnight_is_day_end=true", "midnight_is_day_end: needs"),
        ("time=t,active_power_w=p,midnight_is_day_end=yes", "write true or false"),
        ("time=t,active_power_w=p,sampling=often", "sampling"),
        ("time=t,active_power_w=p,skip_lines=-1", "skip_lines"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(line: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        parse_map_option(line)


def test_an_unknown_key_of_a_profile_names_the_nearest() -> None:
    table = {"time_columns": ["t"], "column": [], "columns_from_header": True, "stamp": "middle"}
    with pytest.raises(SettingsError) as caught:
        parse_column_map(table, where="mine.toml")
    assert "is it columns?" in str(caught.value)
    assert "stamp" in str(caught.value)
    assert str(caught.value).startswith("mine.toml: ")


@given(st.text(alphabet='time=,active_power_w:@"+#% kW1', max_size=60))
def test_any_line_of_words_gives_a_map_or_a_settings_error(line: str) -> None:
    with contextlib.suppress(SettingsError):
        assert parse_map_option(line).time_columns


def test_factors_join_unit_scale_and_divisor() -> None:
    column = MappedColumn("x", "energy_import_delta_wh", "kWh", divide_by=60.0)
    assert column.factor == pytest.approx(1000 / 60)
