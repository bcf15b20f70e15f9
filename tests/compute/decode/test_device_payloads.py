"""Every recorded device message decodes to what it states, or is refused with a reason.

The table below was written from the files, not from what the program made of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.compute.decode.routes import decode
from wattscope.compute.decode.route import Decoded
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.time_grid import load_zone

PARIS = load_zone("Europe/Paris")


def _name_phases(*patterns: str) -> set[str]:
    return {pattern.format(line) for pattern in patterns for line in ("l1", "l2", "l3")}


ENERGY = {"active_power_w", "energy_import_wh"}
PLUG = ENERGY | {"voltage_v", "current_a"}
SONOFF = PLUG | {"apparent_power_va", "reactive_power_var", "power_factor"}
TIC = {"apparent_power_va", "current_a", "energy_import_t1_wh", "energy_import_t2_wh"}
SHELLY = (
    {"active_power_w", "apparent_power_va", "current_a", "frequency_hz", "temperature_c"}
    | {"energy_import_wh", "energy_export_wh"}
    | _name_phases("active_power_{}_w", "apparent_power_{}_va", "voltage_{}_v", "current_{}_a")
    | _name_phases("power_factor_{}", "energy_import_{}_wh", "energy_export_{}_wh")
)
HOMEWIZARD = (
    ENERGY
    | {"energy_export_wh", "gas_import_m3", "water_import_m3"}
    | {"energy_import_t1_wh", "energy_import_t2_wh", "energy_export_t1_wh", "energy_export_t2_wh"}
    | _name_phases("active_power_{}_w", "current_{}_a")
)
PRODUCTION = {"production_power_w", "energy_production_wh"}
FRONIUS_AC_DC = {"voltage_v", "current_a", "frequency_hz", "dc_voltage_v", "dc_current_a"}
REALTIME_V0 = (
    "v0__solar_api__GetInverterRealtimeData.cgi___Scope=Device_DeviceIndex=1_DataCollection"
)
REALTIME_V1 = (
    "v1__solar_api__v1__GetInverterRealtimeData.cgi___Scope=Device_DeviceId=1_DataCollection"
)

# File, profile, topic, and the quantities that the file states or the code of its refusal.
EXPECTED: list[tuple[str, str, str, set[str] | str]] = [
    ("shelly/pro3em_status.json", "shelly-gen2", "shellypro3em-aa/status/em:0", SHELLY),
    (
        "homewizard/HWE-P1_v1_data.json",
        "homewizard-v1",
        "homewizard/p1/data",
        HOMEWIZARD | _name_phases("voltage_{}_v") | {"frequency_hz"},
    ),
    (
        "homewizard/HWE-P1_v2_measurement.json",
        "homewizard-v2",
        "homewizard/p1/measurement",
        HOMEWIZARD | {"current_a"},
    ),
    ("tasmota/tele_pow1_SENSOR.json", "tasmota", "tele/pow1/SENSOR", SONOFF),
    ("tasmota/stat_pow1_STATUS8.json", "tasmota", "stat/pow1/STATUS8", SONOFF),
]

TELEINFO = "emoncms/ch2i/factory/denky_D6C0C0/tele/SENSOR"
EXPECTED += [
    (f"tasmota/teleinfo_{number}.json", "tasmota-teleinfo", TELEINFO, quantities)
    for number, quantities in (
        (0, TIC | ENERGY),
        (2, TIC | ENERGY),
        (4, TIC),
        (6, TIC),
        (8, TIC),
        (10, {"apparent_power_va"}),
    )
]
EXPECTED += [
    (f"tplink-kasa/{file}.json", "tplink-kasa", "tplink/desk/emeter", quantities)
    for file, quantities in (
        ("EP25_US__1.0_1.0.14", PLUG),
        ("HS110_EU__4.0_1.0.4", PLUG),
        ("HS300_US__1.0_1.0.10", PLUG),
        ("HS300_US__2.0_1.0.12", PLUG),
        ("KP115_EU__1.0_1.0.16", PLUG),
        ("KP115_US__1.0_1.0.21", PLUG),
        # The newer protocol states power alone, and energy per day and month.
        ("EP25_US__2.6_1.0.2", {"active_power_w"}),
        ("P110_EU__1.0_1.2.3", {"active_power_w"}),
    )
]
EXPECTED += [
    (f"fronius/{file}.json", "fronius-inverter", "fronius/roof/inverter", outcome)
    for file, outcome in (
        (
            f"{REALTIME_V0}=CommonInverterData",
            PRODUCTION | FRONIUS_AC_DC,
        ),
        (
            f"{REALTIME_V0}=CumulationInverterData",
            PRODUCTION,
        ),
        ("v0__solar_api__GetInverterRealtimeData.cgi___Scope=System", PRODUCTION),
        # At night the inverter states its register alone.
        (
            f"{REALTIME_V1}=CommonInverterData",
            {"energy_production_wh"},
        ),
        ("v1__solar_api__v1__GetInverterRealtimeData.cgi___Scope=System", PRODUCTION),
        ("v0__solar_api__GetInverterInfo.cgi", "unknown_format"),
        ("v0__solar_api__GetLoggerInfo.cgi", "unknown_format"),
        ("v1__solar_api__GetAPIVersion.cgi", "unknown_format"),
        (
            "v1__solar_api__v1__GetActiveDeviceInfo.cgi___DeviceClass=System",
            "unknown_format",
        ),
        ("v1__solar_api__v1__GetInverterInfo.cgi", "unknown_format"),
        ("v1__solar_api__v1__GetLoggerInfo.cgi", "unknown_format"),
        ("v1__solar_api__v1__GetLoggerLEDInfo.cgi", "unknown_format"),
        (
            "v1__solar_api__v1__GetMeterRealtimeData.cgi___Scope=Device_DeviceId=0",
            "unknown_format",
        ),
        ("v1__solar_api__v1__GetMeterRealtimeData.cgi___Scope=System", "unknown_format"),
    )
]
# Photovoltaic and battery power are null at night.
EXPECTED.append(
    (
        "fronius/v1__solar_api__v1__GetPowerFlowRealtimeData.fcgi.json",
        "fronius-powerflow",
        "fronius/roof/powerflow",
        {"active_power_w", "energy_production_wh"},
    )
)
ENVOYS = (
    "3.17.3",
    "3.9.36",
    "4.10.35",
    "7.6.175_with_cts",
    "7.6.175_with_cts_3phase",
    "8.2.127_with_3cts_and_battery_split",
)
# Firmware without current transformers answers with a page, or with nobody's permission.
ENVOY_PAGES = {
    "3.17.3/production.json",
    "3.17.3/production_plain.json",
    "3.9.36/production.json",
    "3.9.36/production_plain.json",
    "4.10.35/production_plain.json",
}
EXPECTED += [
    (
        f"enphase/{envoy}/api_v1_production.json",
        "enphase-production-v1",
        "enphase/roof/api/v1/production",
        PRODUCTION,
    )
    for envoy in ENVOYS
]
EXPECTED += [
    (
        f"enphase/{envoy}/{file}.json",
        "enphase-production",
        "enphase/roof/production",
        "json_syntax" if f"{envoy}/{file}.json" in ENVOY_PAGES else PRODUCTION | {"active_power_w"},
    )
    for envoy in ENVOYS
    for file in ("production", "production_plain")
]
# Arrays at the top and lists of parts: no profile maps them.
ENVOY_OTHERS = {
    "api_v1_production_inverters": dict.fromkeys(ENVOYS, "wrong_type"),
    "ivp_ensemble_inventory": dict.fromkeys(ENVOYS[:3], "unknown_format")
    | dict.fromkeys(ENVOYS[3:], "wrong_type"),
    "ivp_ensemble_power": dict.fromkeys(ENVOYS[1:], "unknown_format"),
    "ivp_meters": dict.fromkeys(ENVOYS[2:], "wrong_type"),
    "ivp_meters_readings": dict.fromkeys(ENVOYS[2:], "wrong_type"),
}
EXPECTED += [
    (f"enphase/{envoy}/{file}.json", "enphase-production", "enphase/roof/production", code)
    for file, by_envoy in ENVOY_OTHERS.items()
    for envoy, code in by_envoy.items()
]
# The registers of the Data array differ by type and stand in no file: nothing may be guessed.
EXPECTED += [
    (f"solax/{file}.json", "fronius-inverter", "fronius/roof/inverter", "unknown_format")
    for file in (
        *("x1_boost_air_mini_response", "x1_boost_response", "x1_boost_response_v3"),
        *("x1_hybrid_g3_2x_mppt_response", "x1_hybrid_g4_v_3_018_response"),
        *("x1_lite_lv_80_v002_response", "x1_mini_response_v34_ver3", "x1_smart_fw_v3_response"),
        *("x3_evc_response", "x3_hybrid_g3_2x_mppt_response", "x3_hybrid_g4_response"),
        *("x3_hybrid_g3_2x_mppt_response_v34_negative_power", "x3_mic_response"),
        *("x3_ultra_response", "xhybrid_de01_response"),
    )
]

# Endpoint in the bridge's list of the meter's resources, to quantity; the others are ignored.
ITRON = {
    "Instantaneous Demand": "active_power_w",
    "Current Summation Received": "energy_import_wh",
    "Current Summation Delivered": "energy_export_wh",
    "TOU 1 WH Received": "energy_import_t1_wh",
    "TOU 2 WH Received": "energy_import_t2_wh",
    "TOU 3 WH Received": "energy_import_t3_wh",
    "TOU 1 WH Delivered": "energy_export_t1_wh",
    "TOU 2 WH Delivered": "energy_export_t2_wh",
    "TOU 3 WH Delivered": "energy_export_t3_wh",
    "Power Factor": "power_factor",
    "Power Factor PhaseA": "power_factor_l1",
    "Power Factor PhaseB": "power_factor_l2",
    "Power Factor PhaseC": "power_factor_l3",
}
# By position in victron/messages.json.
VICTRON: list[tuple[str, float] | str] = [
    ("production_power_w", 936.0),
    "no_value",
    "no_value",
    ("dc_voltage_v", 20.43000030517578),
    ("dc_current_a", 0.0),
    "ignored",
]
ELSEWHERE = {
    "victron/messages.json",
    "xcel-itron/endpoints_3_2_39.yaml",
    "xcel-itron/endpoints_3_2_50.yaml",
}


def _collect_quantities(decoded: Decoded) -> set[str]:
    assert isinstance(decoded, tuple), decoded
    return {quantity for reading in decoded for quantity in reading.quantities}


@pytest.mark.parametrize(
    ("file", "profile", "topic", "expected"), EXPECTED, ids=[row[0] for row in EXPECTED]
)
def test_recorded_message_decodes_or_is_refused(
    file: str, profile: str, topic: str, expected: set[str] | str, shared_data: Path
) -> None:
    payload = (shared_data / "device-payloads" / file).read_bytes()
    decoded = decode(profile, topic, payload, PARIS)
    if isinstance(expected, str):
        assert isinstance(decoded, Rejection)
        assert decoded.code.value == expected
    else:
        assert _collect_quantities(decoded) >= expected


def test_table_names_every_recorded_file_once(shared_data: Path) -> None:
    folder = shared_data / "device-payloads"
    listed = [entry["file"] for entry in json.loads((folder / "index.json").read_bytes())]
    named = [row[0] for row in EXPECTED]
    assert sorted([*named, *ELSEWHERE]) == sorted(listed)


def test_shelly_register_equals_sum_of_its_phases(shared_data: Path) -> None:
    payload = (shared_data / "device-payloads/shelly/pro3em_status.json").read_bytes()
    decoded = decode("shelly-gen2", "shellypro3em-aa/status/em:0", payload)
    assert isinstance(decoded, tuple)
    (reading,) = decoded
    values = dict(zip(reading.quantities, reading.values, strict=True))
    phases = [values[f"energy_import_l{line}_wh"] for line in (1, 2, 3)]
    assert values["energy_import_wh"] == 5_415_414.19
    assert round(sum(phases), 6) == 5_415_414.19


@pytest.mark.parametrize("position", range(len(VICTRON)))
def test_victron_message_decodes_to_what_its_note_says(position: int, shared_data: Path) -> None:
    messages = json.loads((shared_data / "device-payloads/victron/messages.json").read_bytes())
    assert len(messages) == len(VICTRON)
    message, expected = messages[position], VICTRON[position]
    topic = message["topic"].replace("<portal ID>", "c0619ab12345")
    decoded = decode("victron", topic, message["payload"].encode())
    if isinstance(expected, tuple):
        assert isinstance(decoded, tuple)
        assert (decoded[0].quantities, decoded[0].values) == ((expected[0],), (expected[1],))
    elif isinstance(decoded, Rejection):
        assert decoded.code.value == expected
    else:
        assert isinstance(decoded, Ignored)
        assert expected == "ignored"


@pytest.mark.parametrize("firmware", ["3_2_39", "3_2_50"])
@pytest.mark.parametrize("layout", ["{}/value", "xcel_itron_5/{}"])
def test_itron_endpoint_decodes_where_the_catalogue_has_its_quantity(
    firmware: str, layout: str, shared_data: Path
) -> None:
    file = shared_data / f"device-payloads/xcel-itron/endpoints_{firmware}.yaml"
    endpoints = re.findall(r"^- ([^:]+):$", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(endpoints) == {"3_2_39": 3, "3_2_50": 21}[firmware]
    for endpoint in endpoints:
        levels = layout.format(endpoint.replace(" ", "_"))
        decoded = decode("xcel-itron", f"homeassistant/sensor/{levels}/state", b"1000")
        if endpoint not in ITRON:
            assert isinstance(decoded, Ignored)
            continue
        assert _collect_quantities(decoded) == {ITRON[endpoint]}
        assert isinstance(decoded, tuple)
        assert decoded[0].values == (1.0 if "Factor" in endpoint else 1000.0,)
        assert decoded[0].device == "xcel_itron_5"
