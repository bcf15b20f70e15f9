"""Telegrams made up for tests: as a meter would say them, with checksums of another making."""

from __future__ import annotations

from collections.abc import Sequence

SML_START = bytes.fromhex("1b1b1b1b01010101")
SERVER = bytes.fromhex("0a01454d480000a1b2c3")
SERVER_NAME = "1EMH0010597059"
WH, W, V = 30, 27, 35

Field = bytes | int | bool | None | list["Field"]


def bitwise_crc(content: bytes, start: int, polynomial: int) -> int:
    """A reflected CRC of 16 bits, one bit after the other."""
    crc = start
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
    return crc


def say_p1(*lines: str, header: str = "ISK5\\2MT382-1000", checksum: str | None = None) -> bytes:
    """A telegram with the right checksum, or with another one, or none ("")."""
    body = f"/{header}\r\n\r\n" + "".join(f"{line}\r\n" for line in lines) + "!"
    digits = f"{bitwise_crc(body.encode('latin-1'), 0, 0xA001):04X}"
    return f"{body}{digits if checksum is None else checksum}\r\n".encode("latin-1")


def encode_field(field: Field) -> bytes:
    """A field with its type and length."""
    if field is None:
        return b"\x01"
    if isinstance(field, bool):
        return b"\x42" + bytes([field])
    if isinstance(field, int):
        n_bytes = next(n for n in (1, 2, 4, 8) if -(1 << 8 * n - 1) <= field < 1 << 8 * n - 1)
        return bytes([0x50 | (n_bytes + 1)]) + field.to_bytes(n_bytes, "big", signed=True)
    if isinstance(field, bytes):
        length = len(field) + 1
        if length < 16:
            return bytes([length]) + field
        length += 1
        return bytes([0x80 | length >> 4, length & 0x0F]) + field
    return bytes([0x70 | len(field)]) + b"".join(map(encode_field, field))


def entry(code: str, value: Field, unit: int | None = WH, scaler: int | None = -1) -> Field:
    """A value of the list; ``code`` as ``1.8.0``."""
    c, d, e = (int(part) for part in code.split("."))
    return [bytes([1, 0, c, d, e, 255]), None, None, unit, scaler, value, None]


def value_list(
    *entries: Field, seconds: Field = None, server: bytes = SERVER, kind: int = 0x0701
) -> Field:
    """The message with a list of values; its own checksum is not right, nor looked at."""
    body: Field = [None, server, None, seconds, list(entries), None, None]
    return [b"\x00\x01", 0, 0, [kind, body], 0]


def say_sml(*messages: Field, start: int = 0xFFFF, final: int = 0xFFFF) -> bytes:
    """A file of messages."""
    content = b"".join(_close(encode_field(message)) for message in messages)
    return wrap_sml(content, start=start, final=final)


def wrap_sml(content: bytes, *, start: int = 0xFFFF, final: int = 0xFFFF) -> bytes:
    """A file around bytes that are its messages."""
    n_fill = -len(content) % 4
    escape = SML_START[:4]
    whole = SML_START + content.replace(escape, escape * 2) + bytes(n_fill)
    whole += escape + bytes([0x1A, n_fill])
    return whole + (bitwise_crc(whole, start, 0x8408) ^ final).to_bytes(2, "little")


def _close(message: bytes) -> bytes:
    """A message as a list of six: its end, a zero, is the last of them."""
    return bytes([0x76]) + message[1:] + b"\0"


def cut_up(stream: bytes, sizes: Sequence[int]) -> list[bytes]:
    """A stream in blocks of these sizes, the last as long as it takes."""
    blocks, at = [], 0
    for size in sizes:
        blocks.append(stream[at : at + size])
        at += size
    return [*blocks, stream[at:]]
