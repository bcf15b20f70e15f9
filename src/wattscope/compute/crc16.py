"""CRC-16 of the polynomial x^16 + x^15 + x^2 + 1, least significant bit first.

Modbus RTU and the P1 telegram differ in where they start.
"""

from __future__ import annotations

from typing import Final


def _make_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE: Final = _make_table()


def compute_crc16(content: bytes, start: int) -> int:
    """The checksum of some bytes.

    Args:
        content: Any bytes.
        start: What the register holds before the first one.

    >>> [hex(compute_crc16(b"123456789", start)) for start in (0x0000, 0xFFFF)]
    ['0xbb3d', '0x4b37']
    """
    crc = start
    table = _TABLE
    for byte in content:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc
