"""Tells formats that say by their first bytes what they are."""

from __future__ import annotations

import re
from typing import Final

from wattscope.compute.telegrams.framers import SML_START

HEAD_BYTES: Final = 8192
"""How much of a file is looked at [bytes]."""

_XML: Final = re.compile(rb"\s*<(\?xml|!--|feed|[\w.-]+:feed|ns\d+:)", re.IGNORECASE)
_NEM: Final = re.compile(rb"[\s,]*(100,NEM1[23]\b|200,[^\n,]*,[^\n]*,(1|5|10|15|30),?[\s,]*\r?\n)")
_P1: Final = re.compile(rb"(?:\A|\n)/[A-Za-z0-9]{3}[^\n/]{1,40}\r?\n\r?\n\d-\d:")


def recognise_format(head: bytes) -> str | None:
    """The decoder of a file by its first ``HEAD_BYTES``; None for what does not tell.

    >>> recognise_format(b"100,NEM12,200402070911,MDA1,Ret1")
    'nem12'
    >>> recognise_format(b"Date,Time,Power")
    """
    head = head.removeprefix(b"\xef\xbb\xbf")
    if SML_START in head:
        return "sml"
    if _NEM.match(head):
        return "nem12"
    if _P1.search(head):
        return "dsmr_p1"
    if _XML.match(head) and b"naesb.org/espi" in head:
        return "green_button"
    return None
