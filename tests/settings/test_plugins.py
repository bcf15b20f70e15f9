from __future__ import annotations

import pytest

from wattscope import plugins
from wattscope.core.errors import SettingsError
from wattscope.plugins import PLUGINS, Plugin, load_plugin

NAMES = [(role, name) for role, known in PLUGINS.items() for name in known]


@pytest.mark.parametrize(("role", "name"), NAMES)
def test_every_plugin_of_the_table_is_there(role: str, name: str) -> None:
    assert callable(load_plugin(role, name))


def test_unknown_plugin_names_the_valid_ones() -> None:
    with pytest.raises(SettingsError, match="valid are mqtt"):
        load_plugin("source", "fax")


def test_missing_extra_names_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"fax": Plugin("wattscope_fax_machine:Fax", "fax")}
    monkeypatch.setitem(plugins.PLUGINS, "source", absent)
    with pytest.raises(SettingsError, match=r"pip install 'wattscope\[fax\]'"):
        load_plugin("source", "fax")


def test_library_of_the_core_that_is_missing_is_no_matter_of_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(plugins.PLUGINS, "source", {"fax": Plugin("wattscope_fax_machine:Fax")})
    with pytest.raises(ModuleNotFoundError):
        load_plugin("source", "fax")
