"""Decoders: from the bytes of a device to readings in base units, one file a format.

A decoder is a pure function of a message and its route (``route.py``). It never raises: what it
cannot trust becomes a ``Rejection`` with a code, and what by its format measures nothing is
``Ignored``. Profiles (``profile.py``) choose the decoder and tell what differs by installation.
"""

from __future__ import annotations

from typing import Final

from wattscope.compute.decode import (
    dsmr_p1,
    esphome,
    grid_meter_json,
    itron,
    json_map,
    panel_json,
    shelly_gen1,
    shelly_gen2,
    sml,
    tasmota,
    victron,
    zigbee2mqtt,
)
from wattscope.compute.decode.route import Decoder

DECODERS: Final[dict[str, Decoder]] = {
    "itron": itron.decode,
    "panel_json": panel_json.decode,
    "grid_meter_json": grid_meter_json.decode,
    "tasmota": tasmota.decode,
    "shelly_gen1": shelly_gen1.decode,
    "shelly_gen2": shelly_gen2.decode,
    "zigbee2mqtt": zigbee2mqtt.decode,
    "esphome": esphome.decode,
    "json_map": json_map.decode,
    "victron": victron.decode,
    "dsmr_p1": dsmr_p1.decode,
    "sml": sml.decode,
}
"""Name in a profile to decode function."""
