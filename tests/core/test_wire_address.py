"""Addresses of meters that talk: TCP or a serial port, and what cannot be one."""

from __future__ import annotations

import pytest

from wattscope.core.errors import SettingsError
from wattscope.core.wire_address import SerialLine, WireAddress, parse_wire_address

USUAL = SerialLine(115_200)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("tcp://10.0.0.5:2001", WireAddress("10.0.0.5", 2001)),
        ("tcp://p1.local:23/", WireAddress("p1.local", 23)),
        ("tcp://[fe80::1%eth0]:2001", WireAddress("fe80::1%eth0", 2001)),
        ("/dev/ttyUSB0", WireAddress("/dev/ttyUSB0", line=USUAL)),
        ("serial:///dev/ttyUSB0", WireAddress("/dev/ttyUSB0", line=USUAL)),
        (
            "serial:///dev/serial/by-id/x?baud=9600&bits=7&parity=E&stop_bits=2",
            WireAddress("/dev/serial/by-id/x", line=SerialLine(9600, 7, "E", 2)),
        ),
    ],
)
def test_address_is_read(url: str, address: WireAddress) -> None:
    assert parse_wire_address(url, USUAL) == address


@pytest.mark.parametrize(
    "url",
    [
        *("", "tcp://host", "tcp://host:0", "tcp://host:99999", "tcp://u:p@host:1", "host:2001"),
        *("mqtt://host:1883", "serial://host/dev/x", "serial://", "tcp://host:²", "http://h:80/x"),
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"write tcp://host:port or serial:///dev/ttyUSB0"):
        parse_wire_address(url, USUAL)


def test_all_faults_of_a_line_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_wire_address("/dev/ttyUSB0?baud=fast&bits=9&parity=X&speed=1&stop_bits=3", USUAL)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "speed",
        "baud",
        "bits",
        "stop_bits",
        "parity",
    ]
