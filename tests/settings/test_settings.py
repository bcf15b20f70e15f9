"""Configuration rows of ``bad-inputs`` 3e that concern what exists, and the plain good cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattscope.cli.options import read_settings
from wattscope.core.errors import SettingsError
from wattscope.settings import MAX_FILE_BYTES, Settings, load_settings, parse_settings


def faults_of(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refusal:
        parse_settings(text)
    return refusal.value.faults


def write(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "wattscope.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def load_faults(path: Path) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refusal:
        load_settings(path)
    assert refusal.value.where == str(path)
    return refusal.value.faults


GOOD = """
[site]
id = "cabin"
time_zone = "America/Denver"
latitude = 39.7

[[sources]]
name = "house"
url = "mqtts://broker.example:8883"
profiles = ["shelly-gen2", "tasmota"]
client_id = "cabin-1"
password_file = "secret"

[[devices]]
id = "main"

[[devices]]
id = "heat"
kind = "heat_pump"
parent = "main"
interval_s = 2.5

[storage]
chunk = "1w"
durability = "relaxed"
"""


def test_sound_file_is_taken(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, GOOD, 0o644))
    assert settings.site.time_zone == "America/Denver"
    assert [source.profiles for source in settings.sources] == [("shelly-gen2", "tasmota")]
    assert [device.parent for device in settings.devices] == [None, "main"]
    assert (settings.storage.chunk, settings.server.port) == ("1w", 8000)


@pytest.mark.parametrize(
    ("text", "line"),
    [("[site\n", 1), ("a = 1\n[site]\nid = \n", 3), ("[site]\n\n\nid = 'x\n", 4), ("x = yes", 1)],
)
def test_1_syntax_error_names_its_line(text: str, line: int) -> None:
    [fault] = faults_of(text)
    assert "is no TOML" in fault
    assert f"line {line}" in fault or (line, fault.count("end of document")) == (line, 1)


def test_2_empty_file_means_the_defaults_on_loopback(tmp_path: Path) -> None:
    for settings in (parse_settings(""), load_settings(write(tmp_path, "# nothing\n"))):
        assert settings == Settings()
        assert settings.server.host == settings.broker.host == "127.0.0.1"


def test_2_no_file_means_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(None) == Settings()


def test_2_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    [fault] = load_faults(tmp_path / "mine.toml")
    assert "No such file" in fault
    assert "-c" in fault


@pytest.mark.parametrize(
    "text",
    ["site: {id: home}\n", "- a\n- b\n", "{'site': {}}", '{"site": {"id": "x"}}', "a: &a [*a]"],
)
def test_3_another_language_is_no_settings_file(text: str) -> None:
    assert "is no TOML" in faults_of(text)[0]


@pytest.mark.parametrize(
    "text", ["[server]\nport = '8000'", "[server]\nport = 1e3", "[broker]\nembedded = 'no'"]
)
def test_3_value_of_another_type_is_not_guessed(text: str) -> None:
    [fault] = faults_of(text)
    assert fault.startswith(("server.port: Expected", "broker.embedded: Expected"))


def test_3_file_beyond_the_cap_is_refused(tmp_path: Path) -> None:
    [fault] = load_faults(write(tmp_path, "#" * (MAX_FILE_BYTES + 1)))
    assert f"larger than {MAX_FILE_BYTES} bytes" in fault
    load_settings(write(tmp_path, "#" * MAX_FILE_BYTES))


def test_3_endless_file_is_refused() -> None:
    [fault] = load_faults(Path("/dev/zero"))
    assert "larger than" in fault


def test_3_deep_file_is_refused() -> None:
    assert "is no TOML" in faults_of("a = " + "[" * 100_000)[0]


def test_3_text_that_is_not_utf_8_names_its_line(tmp_path: Path) -> None:
    [fault] = load_faults(write(tmp_path, b"[site]\n\nname = '\xff'\n"))
    assert "UTF-8" in fault
    assert "line 3" in fault


PASSWORD = '[[sources]]\nprofiles = ["tasmota"]\nusername = "me"\npassword = "kiwi-bird-7"\n'
IN_URL = '[[sources]]\nprofiles = ["tasmota"]\nurl = "mqtt://me:kiwi-bird-7@host"\n'


@pytest.mark.parametrize("text", [PASSWORD, IN_URL], ids=["key", "in the url"])
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_4_password_in_a_file_that_others_can_read_is_refused(
    text: str, mode: int, tmp_path: Path
) -> None:
    [fault] = load_faults(write(tmp_path, text, mode))
    assert "chmod 600" in fault
    assert "kiwi" not in fault
    path = write(tmp_path, text, 0o600)
    assert load_settings(path).sources
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "password", ["admin", "adminpassword", "changeme", "my-super-secret-auth-token", "123456"]
)
def test_5_sample_password_is_refused(password: str) -> None:
    for text in (PASSWORD, IN_URL):
        [fault] = faults_of(text.replace("kiwi-bird-7", password))
        assert "sample password is refused" in fault


def test_4_url_that_is_none_is_no_crash_here() -> None:
    """What a URL must be is for the source to say."""
    settings = parse_settings("[[sources]]\nprofiles = ['x']\nurl = 'mqtt://[::1'\n")
    assert settings.sources[0].url == "mqtt://[::1"


def test_4_password_beside_a_password_file_is_refused() -> None:
    [fault] = faults_of(PASSWORD + 'password_file = "x"\n')
    assert "exclude each other" in fault


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "", "CET+99", "+99:00"])
def test_9_unknown_time_zone_is_refused(zone: str) -> None:
    [fault] = faults_of(f"[site]\ntime_zone = '{zone}'")
    assert fault.startswith("site.time_zone: ")
    assert "Europe/Paris" in fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[sit]\n", "sit: unknown key; did you mean site?"),
        ("[site]\ntimezone = 'UTC'", "site.timezone: unknown key; did you mean time_zone?"),
        ("[server]\nprot = 1", "server.prot: unknown key; did you mean port?"),
        (
            "[[sources]]\nprofiles = ['x']\nuser = 'me'",
            "sources.user: unknown key; did you mean username?",
        ),
        (
            "[[devices]]\nid = 'x'\nintervals = 1",
            "devices.intervals: unknown key; did you mean interval_s?",
        ),
        ("zzz = 1", "zzz: unknown key; valid are pages, site, server"),
    ],
)
def test_11_unknown_key_names_the_nearest(text: str, fault: str) -> None:
    [found] = faults_of(text)
    assert found.startswith(fault)


def test_12_same_device_twice_is_refused() -> None:
    [fault] = faults_of("[[devices]]\nid = 'a'\n[[devices]]\nid = 'a'\n")
    assert fault == "devices.a: the id is there twice; remove one"


SOURCE = "[[sources]]\nname = '{}'\nprofiles = ['tasmota']\n"


def test_16_two_sources_with_one_client_id_are_refused() -> None:
    both = SOURCE.format("a") + SOURCE.format("b")
    [fault] = faults_of(both)
    assert "would throw each other out" in fault
    assert parse_settings(both + "client_id = 'other'\n")


def test_16_address_of_the_own_broker_is_the_same_written_out() -> None:
    written = SOURCE.format("b") + "url = 'mqtt://127.0.0.1:1883'\n"
    [fault] = faults_of(SOURCE.format("a") + written)
    assert "would throw each other out" in fault


LINE = "[[sources]]\nname = '{}'\ntype = '{}'\n{}\n"


def test_meters_that_talk_need_an_address_and_no_profile() -> None:
    assert parse_settings(LINE.format("hall", "p1", "url = 'tcp://10.0.0.5:2001'"))
    assert parse_settings(LINE.format("cellar", "sml", "url = '/dev/ttyUSB0?baud=9600'"))
    [fault] = faults_of(LINE.format("hall", "p1", ""))
    assert fault.startswith("sources.hall.url: '' is no address; write tcp://host:port")
    [fault] = faults_of(LINE.format("hall", "p1", "url = '/dev/ttyUSB0?parity=X'"))
    assert fault == "sources.hall.url: parity: 'X' is not N, E or O"


def test_two_sources_on_one_line_are_refused() -> None:
    line = "url = 'tcp://10.0.0.5:2001'"
    [fault] = faults_of(LINE.format("a", "p1", line) + LINE.format("b", "sml", line))
    assert fault == "sources: two would read the same line; remove one"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[server]\nport = 0", "server.port"),
        ("[broker]\nport = 70000", "broker.port"),
        ("[site]\nlatitude = 91.0", "site.latitude"),
        ("[site]\nlongitude = nan", "site.longitude"),
        ("[site]\nid = '../x'", "site.id"),
        ("[[devices]]\nid = '<b>'", "devices.<b>"),
        ("[[devices]]\nname = 'x'", "devices.id"),
        ("[[devices]]\nid = 'x'\nkind = 'rocket'", "devices.x.kind"),
        ("[[devices]]\nid = 'x'\nsampling = 'max'", "devices.x.sampling"),
        ("[[devices]]\nid = 'x'\nparent = 'x'", "devices.x.parent"),
        ("[[devices]]\nid = 'x'\nparent = 'y'", "devices"),
        ("[[devices]]\nid = 'x'\ninterval_s = 0", "devices.x.interval_s"),
        ("[[devices]]\nid = 'x'\nrating_w = 0", "devices.x.rating_w"),
        ("[[devices]]\nid = 'x'\nrollover_wh = -1", "devices.x.rollover_wh"),
        ("[[devices]]\nid = 'x'\nrollover_wh = inf", "devices.x.rollover_wh"),
        ("[[devices]]\nid = 'x'\ninterval_s = nan", "devices.x.interval_s"),
        ("[[devices]]\nid = 'x'\ninterval_s = 1e300", "devices.x.interval_s"),
        ("[devices]\nid = 'x'", "devices"),
        ("[[site]]\nid = 'x'", "site"),
        ("[storage]\ndurability = 'some'", "storage.durability"),
        ("[storage]\nchunk = '2d'", "storage.chunk"),
        ("[storage]\nflush_minutes = nan", "storage.flush_minutes"),
        ("[storage]\ntail_rows = -1", "storage.tail_rows"),
        ("[[sources]]\nprofiles = []", "sources.mqtt.profiles"),
        ("[[sources]]\nprofiles = ['x']\nqos = 2", "sources.mqtt.qos"),
        ("[[sources]]\nprofiles = ['x']\ntype = 'fax'", "sources.mqtt.type"),
    ],
)
def test_value_that_cannot_be_meant_is_named_with_its_key(text: str, key: str) -> None:
    [fault] = faults_of(text)
    assert fault.startswith(f"{key}:")


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    text = """
    colour = "red"
    [site]
    time_zone = "Mars/Base"
    latitude = "north"
    [server]
    port = "x"
    prot = 1
    [storage]
    chunk = "2d"
    tail_rows = "many"
    [[devices]]
    id = "a"
    kind = "rocket"
    [[devices]]
    id = "a"
    [[devices]]
    name = "nameless"
    [[sources]]
    profiles = ["tasmota"]
    password = "admin"
    qos = 7
    """
    faults = load_faults(write(tmp_path, text, 0o644))
    wanted = {
        *("colour:", "site.time_zone:", "site.latitude:", "server.port:", "server.prot:"),
        *("storage.chunk:", "storage.tail_rows:", "devices.a.kind:", "devices.a:", "devices.id:"),
        *("sources.mqtt.password:", "sources.mqtt.qos:", "holds"),
    }
    assert {fault.split(" ")[0] for fault in faults} == wanted
    assert len(faults) == len(wanted)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("commit_ms = -1", "storage.commit_ms: must be between 0 and 60000"),
        ("sync_interval_s = 0", "storage.sync_interval_s: must be above 0 and at most 3600"),
        ("min_free_mb = -5", "storage.min_free_mb: must be 0 (never) or more"),
        ("warn_free_mb = inf", "storage.warn_free_mb: must be 0 (never) or more"),
        (
            "warn_free_mb = 100\nmin_free_mb = 200",
            "storage.warn_free_mb: must not be below min_free_mb",
        ),
    ],
)
def test_window_and_watermarks_that_make_no_sense_are_refused(line: str, fault: str) -> None:
    assert faults_of(f"[storage]\n{line}\n") == (fault,)


def test_window_and_watermarks_can_be_set() -> None:
    text = "[storage]\ncommit_ms = 0\nsync_interval_s = 0.5\nmin_free_mb = 0\nwarn_free_mb = 5000\n"
    storage = parse_settings(text).storage
    assert (storage.commit_ms, storage.sync_interval_s) == (0, 0.5)
    assert (storage.min_free_mb, storage.warn_free_mb) == (0, 5000)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "standby_below_w = 3000",
            "heat_pump.standby_below_w: must be above 0 and below high_from_w",
        ),
        ("power_green_w = 0", "heat_pump.power_green_w: must be above 0 and below power_red_w"),
        (
            "frequency_red_hz = 0.1",
            "heat_pump.frequency_green_hz: must be above 0 and below frequency_red_hz",
        ),
        (
            "power_factor_red = 0.9",
            "heat_pump.power_factor_red: must be above 0 and below power_factor_green",
        ),
        ("power_factor_green = 1.2", "heat_pump.power_factor_green: must be at most 1"),
        ("hysteresis = 1.0", "heat_pump.hysteresis: must be a share, from 0 to below 1"),
        ("min_state_s = -1.0", "heat_pump.min_state_s: must be between 0 and 3600"),
        ("high_from_w = nan", "heat_pump.standby_below_w: must be above 0 and below high_from_w"),
    ],
)
def test_limits_of_a_heat_pump_that_cannot_be_meant_are_refused(line: str, fault: str) -> None:
    assert fault in faults_of(f"[heat_pump]\n{line}\n")


def test_unknown_colours_of_phases_are_refused() -> None:
    [fault] = faults_of('[screen]\nphase_colours = "rainbow"\n')
    assert fault == "screen.phase_colours: 'rainbow' is not seed, iec, grey"
    assert parse_settings('[screen]\nphase_colours = "iec"\n').screen.phase_colours == "iec"
