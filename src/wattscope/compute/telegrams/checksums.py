"""The checksums of meter telegrams; each promises the value of its published check."""

from __future__ import annotations

import binascii
from typing import Final

from wattscope.compute.crc16 import compute_crc16

_WIDTH: Final = 16
_ALL_ONES: Final = 0xFFFF


_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc16_arc(content: bytes) -> int:
    """CRC-16/ARC, of a P1 telegram from its ``/`` to its ``!`` (DSMR 5.0.2 P1, section 6.2).

    >>> hex(crc16_arc(b"123456789"))
    '0xbb3d'
    """
    return compute_crc16(content, 0)


def crc16_x25(content: bytes) -> int:
    """CRC-16/X-25, of an SML file (BSI TR-03109-1 annex IV, SML 1.04, section 8; ISO/IEC 13239).

    >>> hex(crc16_x25(b"123456789"))
    '0x906e'
    """
    return _ccitt(content, _ALL_ONES) ^ _ALL_ONES


def crc16_kermit(content: bytes) -> int:
    """CRC-16/KERMIT: the same polynomial begun at 0, as firmware of some meters has it.

    >>> hex(crc16_kermit(b"123456789"))
    '0x2189'
    """
    return _ccitt(content, 0)


def _ccitt(content: bytes, start: int) -> int:
    """The polynomial x^16 + x^12 + x^5 + 1, least significant bit first.

    The library's own goes the other way round, so bytes and outcome are mirrored.
    """
    crc = binascii.crc_hqx(content.translate(_MIRRORED), start)
    return int(f"{crc:0{_WIDTH}b}"[::-1], 2)
