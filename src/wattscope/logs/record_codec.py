"""The bytes of one log record, version 1.

::

    offset  size  field
    0       4     magic "WSR1"
    4       1     kind          1 = values and quarantine
    5       1     compression   0 none, 1 zlib
    6       2     reserved      0
    8       8     record offset, unsigned
    16      4     payload length n
    20      4     CRC-32 of bytes 0..19 and of the payload
    24      n     payload

    payload (after decompression), little-endian:
    0       4     number of values v
    4       4v    series_id     int32
            8v    measured_at   int64 [µs]
            8v    value         float64
            v     quality       uint8
            rest  MessagePack: [quarantine items, receipts]

A record is believed only when magic, length and CRC fit.
"""

from __future__ import annotations

import struct
import zlib

import msgspec
import numpy as np

from wattscope.core.reading import Batch
from wattscope.ports import LogRecord, Quarantined

MAGIC = b"WSR1"
HEADER = struct.Struct("<4sBBHQII")
MAX_PAYLOAD = 256 * 1024 * 1024
"""A longer length field is damage, not a record [bytes]."""
_KIND_VALUES = 1
_PLAIN, _ZLIB = 0, 1
_COMPRESSIONS = (_PLAIN, _ZLIB)
_UNREADABLE = (zlib.error, struct.error, ValueError, TypeError, msgspec.MsgspecError)
_COUNT = struct.Struct("<I")
# Below this size zlib costs more time than the disk saves.
_MIN_COMPRESSED = 512

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(
    tuple[list[tuple[str, str, bytes, int, str, str]], tuple[int, ...]]
)


def encode_record(record: LogRecord) -> bytes:
    """The record as bytes, header first."""
    batch = record.batch
    columns = b"".join(
        (
            _COUNT.pack(len(batch)),
            batch.series_id.astype("<i4", copy=False).tobytes(),
            batch.measured_at_us.astype("<i8", copy=False).tobytes(),
            batch.value.astype("<f8", copy=False).tobytes(),
            batch.quality.tobytes(),
        )
    )
    items = [
        (q.source, q.topic, q.payload, q.received_at_us, q.code, q.detail)
        for q in record.quarantined
    ]
    aside = _encoder.encode((items, record.receipts))
    payload = columns + aside
    compression = _PLAIN
    if len(payload) >= _MIN_COMPRESSED:
        payload = zlib.compress(payload, 1)
        compression = _ZLIB
    head = HEADER.pack(MAGIC, _KIND_VALUES, compression, 0, record.offset, len(payload), 0)
    crc = zlib.crc32(payload, zlib.crc32(head[:20]))
    return head[:20] + struct.pack("<I", crc) + payload


def decode_frame(head: bytes, payload: bytes) -> LogRecord | None:
    """The record of a frame, or None when its CRC or its content does not fit."""
    _, kind, compression, _, offset, _, crc = HEADER.unpack(head)
    if zlib.crc32(payload, zlib.crc32(head[:20])) != crc:
        return None
    if kind != _KIND_VALUES or compression not in _COMPRESSIONS:
        return None
    try:
        plain = zlib.decompress(payload) if compression == _ZLIB else payload
        return LogRecord(offset, *_decode_payload(plain))
    except _UNREADABLE:
        # One damaged record in some four thousand million has a checksum that fits.
        return None


def _decode_payload(
    plain: bytes,
) -> tuple[Batch, tuple[Quarantined, ...], tuple[int, ...]]:
    (count,) = _COUNT.unpack_from(plain)
    at = _COUNT.size
    columns = []
    for dtype, size in (("<i4", 4), ("<i8", 8), ("<f8", 8), ("u1", 1)):
        columns.append(np.frombuffer(plain, dtype, count, at))
        at += size * count
    batch = Batch(
        columns[0].astype(np.int32, copy=False),
        columns[1].astype(np.int64, copy=False),
        columns[2].astype(np.float64, copy=False),
        columns[3].astype(np.uint8, copy=False),
    )
    items, receipts = _decoder.decode(plain[at:])
    return batch, tuple(Quarantined(*row) for row in items), receipts
