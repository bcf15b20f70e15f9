"""The kinds of telegrams that can be heard: how they are cut, and what is usual for their line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from wattscope.compute.telegrams.framers import (
    P1_START,
    SML_START,
    Framer,
    frame_p1,
    frame_sml,
)
from wattscope.core.wire_address import SerialLine


@dataclass(frozen=True, slots=True)
class TelegramForm:
    """One kind of telegram."""

    decoder: str
    """Name in ``DECODERS``."""
    profile: str
    """The profile that comes along for it."""
    start: bytes
    """What each telegram begins with."""
    make_framer: Callable[[], Framer]
    usual_line: SerialLine
    """The serial line of most such meters."""


TELEGRAM_FORMS: Final[Mapping[str, TelegramForm]] = MappingProxyType(
    {
        # DSMR P1 5.0.2, section 5.6: 115,200 baud 8N1; DSMR 2.2 and 3: 9,600 baud 7E1.
        "p1": TelegramForm("dsmr_p1", "dsmr-p1", P1_START, frame_p1, SerialLine(115_200)),
        # FNN Lastenheft EDL, section 3.2: 9,600 baud 8N1 by light.
        "sml": TelegramForm("sml", "sml", SML_START, frame_sml, SerialLine(9_600)),
    }
)
"""Type of a source to the telegrams that it hears."""
