"""What cannot be meant in ``[[outputs]]``."""

from __future__ import annotations

import difflib
import math
from fnmatch import fnmatchcase

from wattscope.compute.encode.line_points import Layout
from wattscope.core.quantities import QUANTITIES, find_quantity
from wattscope.core.server_address import BROKER, WEB, split_address
from wattscope.core.topology import is_safe_name
from wattscope.settings.outputs import OUTPUT_TYPES, OutputSettings

_LAYOUTS = tuple(one.value for one in Layout)
_ADDRESSES = {
    "influx": (WEB, "http://host:8086"),
    "home_assistant": (BROKER, "mqtt://host:1883"),
}
"""Schemes of addresses by type, and one to learn from."""
_MAX_NAME = 64
_MAX_BATCH = 100_000
_MAX_EVERY_S = 3600.0


def find_output_faults(outputs: tuple[OutputSettings, ...]) -> list[str]:
    """All of it, each as one line."""
    faults = []
    seen: set[str] = set()
    for one in outputs:
        at = f"outputs.{one.name}"
        if not is_safe_name(one.name) or "/" in one.name or len(one.name) > _MAX_NAME:
            faults.append(f"{at}: {one.name!r} is no name; use letters, digits, - and _")
        if one.name in seen:
            faults.append(f"{at}: the name is there twice; remove one")
        seen.add(one.name)
        if one.type not in OUTPUT_TYPES:
            valid = ", ".join(OUTPUT_TYPES)
            faults.append(f"{at}.type: {one.type!r} is unknown; valid are {valid}")
            continue
        faults += _find_url_faults(at, one)
        faults += _find_login_faults(at, one)
        is_influx = one.type == "influx"
        faults += _find_influx_faults(at, one) if is_influx else _find_broker_faults(at, one)
        faults += _find_pattern_faults(at, one)
        faults += _find_number_faults(at, one)
    return faults


def _find_url_faults(at: str, one: OutputSettings) -> list[str]:
    if one.url is None:
        # The program's own broker needs none.
        return [] if one.type == "home_assistant" else [f"{at}.url: write http://host:8086"]
    schemes, example = _ADDRESSES[one.type]
    address = split_address(one.url, schemes)
    # The URL itself may hold a secret: it is not repeated.
    if address is None or address.query:
        return [f"{at}.url: must begin with {schemes[0]}:// and name a host, as {example}"]
    if address.username is not None or address.password is not None:
        return [f"{at}.url: name the user in username, and its password in password_file"]
    return []


def _find_login_faults(at: str, one: OutputSettings) -> list[str]:
    """Faults of who writes."""
    faults = []
    for key in ("database", "retention_policy", "bucket", "org", "username"):
        text = getattr(one, key)
        if text is not None and (not text or not text.isprintable()):
            faults.append(f"{at}.{key}: {text!r} is no name")
    if (one.username is None) != (one.password_file is None):
        faults.append(f"{at}: username and password_file belong together")
    return faults


def _find_influx_faults(at: str, one: OutputSettings) -> list[str]:
    """Faults of the place that is written to."""
    if (one.database is None) == (one.bucket is None):
        return [f"{at}: name a database (InfluxDB 1) or a bucket (InfluxDB 2)"]
    foreign = ("org", "token_file") if one.bucket is None else ("retention_policy", "username")
    kind = "a database has none" if one.bucket is None else "a bucket has none"
    return [f"{at}.{key}: {kind}" for key in foreign if getattr(one, key) is not None]


def _find_broker_faults(at: str, one: OutputSettings) -> list[str]:
    """Faults of the topics, and what belongs to another kind of output."""
    faults = [
        f"{at}.{key}: {getattr(one, key)!r} is no topic; use letters, digits, - and _"
        for key in ("discovery", "topic")
        if not is_safe_name(getattr(one, key)) or "+" in getattr(one, key)
    ]
    foreign = ("database", "retention_policy", "bucket", "org", "token_file")
    faults += [f"{at}.{key}: is for influx" for key in foreign if getattr(one, key) is not None]
    return faults


def _find_pattern_faults(at: str, one: OutputSettings) -> list[str]:
    faults = []
    for pattern in one.quantities:
        is_known = any(fnmatchcase(name, pattern) for name in QUANTITIES)
        # What meters call their own words may come yet.
        if not is_known and "__" not in pattern and find_quantity(pattern) is None:
            near = difflib.get_close_matches(pattern, QUANTITIES, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]}?" if near else ""
            faults.append(f"{at}.quantities: no quantity fits {pattern!r}{hint}")
    faults += [
        f"{at}.{key}: name at least one, or leave it out for all"
        for key in ("quantities", "devices")
        if not getattr(one, key)
    ]
    if one.layout not in _LAYOUTS:
        faults.append(f"{at}.layout: {one.layout!r} is not {' or '.join(_LAYOUTS)}")
    if not is_safe_name(one.measurement):
        faults.append(f"{at}.measurement: {one.measurement!r} is no name")
    return faults


def _find_number_faults(at: str, one: OutputSettings) -> list[str]:
    faults = []
    if not 1 <= one.batch <= _MAX_BATCH:
        faults.append(f"{at}.batch: must be between 1 and {_MAX_BATCH}")
    if not 0 < one.every_s <= _MAX_EVERY_S:
        faults.append(f"{at}.every_s: must be above 0 and at most {_MAX_EVERY_S:g}")
    if not 0 <= one.keep_mb < math.inf:
        faults.append(f"{at}.keep_mb: must be 0 or more")
    return faults
