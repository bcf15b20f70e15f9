"""Small Green Button feeds to spoil in tests."""

from __future__ import annotations

from collections.abc import Sequence

START_S = 1_772_323_200
"""2026-03-01 00:00 UTC [s]"""

POINT = "/espi/1_1/resource/RetailCustomer/1/UsagePoint/house-1"
TYPE = {
    "accumulationBehaviour": "4",
    "flowDirection": "1",
    "intervalLength": "900",
    "powerOfTenMultiplier": "0",
    "uom": "72",
}


def reading(value: str, n: int = 0, *, duration: str = "900", quality: str = "") -> str:
    """One interval reading, the n-th quarter hour of the feed."""
    marked = f"<ReadingQuality><quality>{quality}</quality></ReadingQuality>" if quality else ""
    period = f"<duration>{duration}</duration><start>{START_S + 900 * n}</start>"
    return (
        f"<IntervalReading>{marked}<timePeriod>{period}</timePeriod><value>{value}</value>"
        "</IntervalReading>\n"
    )


def series(readings: Sequence[str], *, number: str = "01", **of_type: str | None) -> str:
    """Entries of a meter reading, its type and its block; None leaves an element out."""
    meter = f"{POINT}/MeterReading/{number}"
    kind = "".join(
        f"<{name}>{text}</{name}>\n" for name, text in (TYPE | of_type).items() if text is not None
    )
    return (
        f'<entry><link rel="self" href="{meter}"/>\n'
        f'<link rel="related" href="/espi/1_1/resource/ReadingType/{number}"/>\n'
        '<content><MeterReading xmlns="http://naesb.org/espi"/></content></entry>\n'
        f'<entry><link rel="self" href="/espi/1_1/resource/ReadingType/{number}/"/>\n'
        f'<content><ReadingType xmlns="http://naesb.org/espi">\n{kind}</ReadingType></content>\n'
        f'</entry>\n<entry><link rel="self" href="{meter}/IntervalBlock/1"/>\n'
        f'<link rel="up" href="{meter}/IntervalBlock"/>\n<content>\n'
        f'<IntervalBlock xmlns="http://naesb.org/espi">\n{"".join(readings)}</IntervalBlock>\n'
        "</content></entry>\n"
    )


def feed(*parts: str, prolog: str = "") -> bytes:
    """A whole feed."""
    body = "".join(parts)
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n{prolog}'
    return f'{head}<feed xmlns="http://www.w3.org/2005/Atom">\n{body}</feed>\n'.encode()
