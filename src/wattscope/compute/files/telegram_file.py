"""Files of meter telegrams, as a logger wrote them down: P1 telegrams, SML dumps.

It promises that each telegram is taken or set aside by itself, whatever stands before it, and that
the same file gives the same instants each time. Telegrams without an instant of their own end at
the instant at which the file was last written: by the seconds that the meter counted where it
tells them, else by the expected interval of the profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from wattscope.compute.decode import DECODERS, sml
from wattscope.compute.decode.profile import Profile
from wattscope.compute.files.line_file import NumberedReading
from wattscope.compute.files.table_rows import MAX_EXCERPT, BadFile, BadRow
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.core.time_grid import US_PER_S
from wattscope.ports import RawMessage

MAX_FILE_BYTES: Final = 256 << 20
"""A longer file is refused [bytes]; a P1 meter fills it in three days of every second."""

FORM_OF_DECODER: Final = {form.decoder: form for form in TELEGRAM_FORMS.values()}
"""Decoders of telegrams, with the form that each reads."""


@dataclass(frozen=True, slots=True)
class TelegramMap:
    """How such a file is read: as messages of its profile are."""

    profile: Profile


def decode_telegrams(
    blocks: Iterable[bytes], telegram_map: TelegramMap, zone: tzinfo, written_at_us: int
) -> Iterator[NumberedReading | BadRow | BadFile]:
    """What stands in a file, in order; or one ``BadFile`` and nothing else.

    Args:
        blocks: The file in order, in pieces of any size.
        telegram_map: Its format.
        zone: The site's.
        written_at_us: When the file was last written [µs since 1970, UTC].
    """
    profile = telegram_map.profile
    framer = FORM_OF_DECODER[profile.decoder].make_framer()
    reader = _Reader(telegram_map, zone, written_at_us)
    n_bytes = 0
    for block in blocks:
        n_bytes += len(block)
        if n_bytes > MAX_FILE_BYTES:
            yield BadFile(1, f"the file is longer than {MAX_FILE_BYTES >> 20} MiB")
            return
        for piece in framer.feed(block):
            reader.take(piece)
    for piece in framer.end():
        reader.take(piece)
    if not reader.has_start:
        yield BadFile(1, f"holds no telegram of profile {profile.name}")
        return
    yield from reader.bad
    yield from _place(
        reader.telegrams, round((profile.interval_s or 1.0) * US_PER_S), written_at_us
    )


@dataclass(frozen=True, slots=True)
class _Telegram:
    """Readings of one telegram."""

    line_number: int
    readings: tuple[Reading, ...]
    seconds: int | None
    """What the meter counted [s]; None where it does not."""

    @property
    def has_clock(self) -> bool:
        """Whether the telegram tells its own instant."""
        return self.readings[0].measured_at_us is not None


class _Reader:
    """Decodes pieces; keeps what is good and what is not."""

    def __init__(self, telegram_map: TelegramMap, zone: tzinfo, written_at_us: int) -> None:
        profile = telegram_map.profile
        self.telegrams: list[_Telegram] = []
        self.bad: list[BadRow] = []
        self.has_start = False
        """Whether anything looks like a telegram."""
        self._decode = DECODERS[profile.decoder]
        self._is_sml = profile.decoder == "sml"
        self._start = FORM_OF_DECODER[profile.decoder].start
        self._topic = profile.topics[0].replace("#", "file").replace("+", "file")
        self._route = profile.build_route(zone)
        self._written_at_us = written_at_us
        self._line_number = 1

    def take(self, piece: bytes) -> None:
        """Take in the next piece of the file."""
        number = self._line_number
        self.has_start |= piece.startswith(self._start)
        self._line_number += piece.count(b"\n")
        decoded = self._decode(RawMessage(self._topic, piece, self._written_at_us), self._route)
        if isinstance(decoded, Ignored):
            return
        if isinstance(decoded, Rejection):
            text = piece[: 4 * MAX_EXCERPT].decode("latin-1")
            excerpt = "".join(c if c.isprintable() else "·" for c in text[:MAX_EXCERPT])
            self.bad.append(BadRow(number, decoded.code, decoded.detail, excerpt, piece))
            return
        seconds = sml.count_seconds(piece) if self._is_sml else None
        self.telegrams.append(_Telegram(number, decoded, seconds))


def _place(
    telegrams: Sequence[_Telegram], interval_us: int, written_at_us: int
) -> Iterator[NumberedReading | BadRow]:
    """Readings with their instants; the last telegram without one is of when the file ended."""
    newest: dict[str, tuple[int, int | None]] = {}
    """Instant and count of the telegram after, by device."""
    placed: list[list[NumberedReading | BadRow]] = []
    for telegram in reversed(telegrams):
        if telegram.has_clock:
            placed.append(_number(telegram, telegram.readings))
            continue
        device = telegram.readings[0].device
        after_us, after = newest.get(device, (written_at_us + interval_us, None))
        at_us = after_us - interval_us
        if after is not None and telegram.seconds is not None:
            if telegram.seconds > after:
                placed.append([_refuse(telegram)])
                continue
            at_us = after_us - (after - telegram.seconds) * US_PER_S
        newest[device] = (at_us, telegram.seconds)
        readings = (
            one._replace(measured_at_us=at_us) if one.measured_at_us is None else one
            for one in telegram.readings
        )
        placed.append(_number(telegram, readings))
    for group in reversed(placed):
        yield from group


def _number(telegram: _Telegram, readings: Iterable[Reading]) -> list[NumberedReading | BadRow]:
    return [NumberedReading(telegram.line_number, one) for one in readings]


def _refuse(telegram: _Telegram) -> BadRow:
    """A telegram from before the meter's count of seconds began anew."""
    detail = (
        f"the meter counted {telegram.seconds} s, and less in the telegram after it: nobody knows "
        "how long before it this one was"
    )
    names = ", ".join(telegram.readings[0].quantities)[:MAX_EXCERPT]
    return BadRow(telegram.line_number, ReasonCode.BAD_TIME, detail, names, names.encode())
