"""Keys of meters from the numbers that they tell: readable where they are, else as they came."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from wattscope.core.topology import is_safe_name

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){4,32}")
_WORD: Final = re.compile(rb"[0-9A-Za-z]+")
_ODD: Final = re.compile(r"[^0-9A-Za-z_.]+")
_LONGEST: Final = 96
# DIN 43863-5: length 10, medium 1 (electricity), three letters of the maker, block, number.
_DIN_LENGTH: Final = 10
_DIN_HEAD: Final = b"\x0a\x01"


def find_name(texts: Iterable[str]) -> str | None:
    r"""The first text that can be a meter's key; None when none can.

    A number is often told as the hexadecimal digits of its letters (DSMR P1, section 6.12).

    >>> find_name(["", "4B384547303034303436333935353037"])
    'K8EG004046395507'
    >>> find_name(["EST5\\253710000_A"])
    'EST5-253710000_A'
    """
    for text in texts:
        name = _ODD.sub("-", _decode_hex(text)).strip("-_.")[:_LONGEST]
        # A number of zeros is one that nobody set.
        if name.strip("0-") and is_safe_name(name):
            return name
    return None


def name_server(server_id: bytes) -> str | None:
    """The key of a meter by its server id: as printed on it (DIN 43863-5), else its digits.

    >>> name_server(bytes.fromhex("0a01454d480000a1b2c3"))
    '1EMH0010597059'
    >>> name_server(bytes.fromhex("0649534b0110a1b2"))
    '0649534b0110a1b2'
    """
    letters = server_id[2:5]
    if len(server_id) == _DIN_LENGTH and server_id.startswith(_DIN_HEAD) and letters.isalpha():
        number = int.from_bytes(server_id[6:], "big")
        return f"1{letters.decode('ascii')}{server_id[5]:02X}{number:08d}"
    return server_id.hex()[:_LONGEST] or None


def _decode_hex(text: str) -> str:
    """The letters of hexadecimal digits; the text itself where they are none."""
    if not _HEX.fullmatch(text):
        return text
    letters = bytes.fromhex(text)
    return letters.decode("ascii") if _WORD.fullmatch(letters) else text
