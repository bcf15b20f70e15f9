"""Every folder of ``tests/cases/decode`` is a message with what must come of it.

``message.json`` holds profile, topic and payload (as text, in hexadecimal, or a file of the real
data); ``expected.csv`` the values, or ``expected.err`` the reason code or ``ignored``. Without a
profile's name, ``profile.toml`` of the folder is used.
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from tests.compute.decode.routes import PROFILES, decode_with, load_profile
from wattscope.compute.decode.profile import topic_matches
from wattscope.compute.decode.route import Decoded
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.time_grid import format_utc, load_zone

CASES = Path(__file__).resolve().parents[2] / "cases" / "decode"
FROM_SHARED = "shared:"


def _read_payload(message: dict[str, str], request: pytest.FixtureRequest) -> bytes:
    if "payload_hex" in message:
        return bytes.fromhex(message["payload_hex"])
    if "payload_file" in message:
        shared: Path = request.getfixturevalue("shared_data")
        return (shared / message["payload_file"].removeprefix(FROM_SHARED)).read_bytes()
    return message["payload"].encode()


def _list_values(decoded: Decoded) -> list[tuple[str, str, str, float]]:
    assert isinstance(decoded, tuple), decoded
    return [
        (
            reading.device,
            "" if reading.measured_at_us is None else format_utc(reading.measured_at_us),
            quantity,
            value,
        )
        for reading in decoded
        for quantity, value in zip(reading.quantities, reading.values, strict=True)
    ]


def _name_outcome(decoded: Decoded) -> str:
    if isinstance(decoded, Rejection):
        return decoded.code.value
    return "ignored" if isinstance(decoded, Ignored) else f"{len(decoded)} readings"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_decoder_gives_what_the_case_expects(case: str, request: pytest.FixtureRequest) -> None:
    folder = CASES / case
    message = json.loads((folder / "message.json").read_text(encoding="utf-8"))
    named = message["profile"]
    profile = load_profile(PROFILES / f"{named}.toml" if named else folder / "profile.toml")
    zone = load_zone(message.get("zone", "UTC"))

    decoded = decode_with(profile, message["topic"], _read_payload(message, request), zone)

    refused = folder / "expected.err"
    if refused.exists():
        assert _name_outcome(decoded) == refused.read_text(encoding="utf-8").strip(), decoded
        return
    assert any(topic_matches(pattern, message["topic"]) for pattern in profile.topics)
    with (folder / "expected.csv").open(encoding="utf-8", newline="") as lines:
        expected = [
            (row["device"], row["measured_at"], row["quantity"], float(row["value"]))
            for row in csv.DictReader(lines)
        ]
    found = _list_values(decoded)
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for (*where, value), (*_, wanted) in zip(found, expected, strict=True):
        # One rounding of a unit's factor is all that may stand between them.
        assert math.isclose(value, wanted, rel_tol=4e-16, abs_tol=1e-12), where
