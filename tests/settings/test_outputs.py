"""``[[outputs]]``: what is meant, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.test_settings import faults_of
from wattscope.assembly.outputs import build_output
from wattscope.core.errors import SettingsError
from wattscope.settings import OutputSettings, parse_settings

GOOD = """
[[outputs]]
name = "old"
url = "http://127.0.0.1:8086"
database = "home"

[[outputs]]
name = "cloud"
url = "https://influx.example/path"
bucket = "energy"
org = "me"
token_file = "token"
layout = "values"
quantities = ["energy_*", "flow_rate__l_per_min", "dc_power_s2_w"]
devices = ["panel*"]
"""


def test_both_kinds_can_be_told() -> None:
    old, cloud = parse_settings(GOOD).outputs
    assert (old.database, old.every_s, old.batch, old.keep_mb) == ("home", 1.0, 5000, 1024.0)
    assert (cloud.bucket, cloud.org, cloud.layout) == ("energy", "me", "values")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('database = "a"\nbucket = "b"', "name a database (InfluxDB 1) or a bucket (InfluxDB 2)"),
        ("", "name a database (InfluxDB 1) or a bucket (InfluxDB 2)"),
        ('database = ""', ".database: '' is no name"),
        ('database = "a"\norg = "b"', ".org: a database has none"),
        ('database = "a"\ntoken_file = "b"', ".token_file: a database has none"),
        ('bucket = "a"\nretention_policy = "b"', ".retention_policy: a bucket has none"),
        ('bucket = "a"\nusername = "b"\npassword_file = "c"', ".username: a bucket has none"),
        ('database = "a"\nusername = "b"', "username and password_file belong together"),
        ('database = "a"\nurl = "influx:8086"', ".url: must begin with http://"),
        ('database = "a"\nurl = "http://a:b"', ".url: must begin with http:// and name a host"),
        ('database = "a"\nurl = "http://a/?x=1"', ".url: must begin with http://"),
        ('database = "a"\nurl = "http://me:hush@a"', ".url: name the user in username"),
        (
            'database = "a"\ntype = "inflix"',
            ".type: 'inflix' is unknown; valid are influx, home_assistant",
        ),
        ('database = "a"\nlayout = "wide"', ".layout: 'wide' is not fields or values"),
        ('database = "a"\nmeasurement = "#no"', ".measurement: '#no' is no name"),
        ('database = "a"\nquantities = ["voltag_v"]', "fits 'voltag_v'; did you mean voltage_v?"),
        ('database = "a"\nquantities = []', ".quantities: name at least one"),
        ('database = "a"\ndevices = []', ".devices: name at least one"),
        ('database = "a"\nbatch = 0', ".batch: must be between 1 and 100000"),
        ('database = "a"\nevery_s = 0', ".every_s: must be above 0"),
        ('database = "a"\nkeep_mb = -1', ".keep_mb: must be 0 or more"),
        ('database = "a"\nname = "a/b"', "'a/b' is no name"),
    ],
)
def test_what_cannot_be_meant_is_said(lines: str, fault: str) -> None:
    words = dict(one.split(" = ", 1) for one in lines.splitlines())
    words = {"name": '"old"', "url": '"http://127.0.0.1:8086"'} | words
    text = "\n".join(f"{key} = {value}" for key, value in words.items())
    [told] = faults_of(f"[[outputs]]\n{text}")
    assert fault in told
    assert told.startswith("outputs.")
    assert "hush" not in told


def test_two_of_one_name_would_share_a_place() -> None:
    again = GOOD.replace('"cloud"', '"old"')
    assert faults_of(again) == ("outputs.old: the name is there twice; remove one",)


def test_secrets_are_read_from_their_files(tmp_path: Path) -> None:
    file = tmp_path / "token"
    wanted = OutputSettings(
        name="old", url="http://127.0.0.1:8086", bucket="home", token_file=str(file)
    )
    with pytest.raises(SettingsError, match=r"outputs.old.token_file: .* cannot be read"):
        build_output(wanted, list)
    for content in ("\n", "two\x01\n", "tökén\n"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(SettingsError, match=r"outputs.old.token_file: .* is no token"):
            build_output(wanted, list)
    file.write_text("  0123456789abcdef \n")
    assert build_output(wanted, list).address == "http://127.0.0.1:8086 home"


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    wanted = OutputSettings(
        name="old", url="https://a", database="home", ca_file=str(tmp_path / "none")
    )
    with pytest.raises(SettingsError, match=r"outputs.old: ca_file"):
        build_output(wanted, list)
