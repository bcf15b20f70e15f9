"""The bytes of a model file: numbers and names only, believed only when all of them fit.

::

    8 bytes    WATTSIFO
    u16        version, 1
    u32        length of the header
    header     JSON: class, features, counts, times
    i16[]      feature of each node; -1 at leaves
    f32[]      threshold of each node
    f64[]      path length of each leaf
    f64[]      median of each feature
    f64[]      reference powers, limits of scores, and usual scores
    u32        CRC-32 of all bytes before

Numbers are little-endian. Nothing in the file is executed, unpacked or allocated by its word:
lengths are checked against the size of the file, names against those that the program knows.
"""

from __future__ import annotations

import struct
import zlib
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from wattscope.compute.isolation_forest.forest import MAX_FEATURES, MAX_NODES, MAX_TREES, Forest
from wattscope.compute.isolation_forest.model import AnomalyModel, list_model_faults
from wattscope.core.errors import StorageError

VERSION = 1
MAGIC = b"WATTSIFO"
MAX_BYTES = 32 << 20
"""Larger files are not read: the largest forest that is scored takes 14 MB."""
MAX_LIMITS = 1000
_HEAD = struct.Struct("<8sHI")
_CRC = struct.Struct("<I")
_MAX_HEADER = 1 << 16

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device_class: _Name
    features: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=MAX_FEATURES)]
    n_trees: Annotated[int, msgspec.Meta(ge=1, le=MAX_TREES)]
    n_nodes: Annotated[int, msgspec.Meta(ge=1, le=MAX_NODES)]
    sample: _Count
    n_rows: _Count
    n_limits: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMITS)]
    limit_share: float
    full_power_w: float
    n_devices: _Count
    start_us: int
    end_us: int
    trained_at_us: int


def encode_model(model: AnomalyModel) -> bytes:
    """A model as the bytes of its file."""
    forest = model.forest
    header = msgspec.json.encode(
        _Header(
            device_class=model.device_class,
            features=forest.features,
            n_trees=forest.n_trees,
            n_nodes=len(forest.feature),
            sample=forest.sample,
            n_rows=forest.n_rows,
            n_limits=len(model.limits),
            limit_share=model.limit_share,
            full_power_w=model.full_power_w,
            n_devices=model.n_devices,
            start_us=model.start_us,
            end_us=model.end_us,
            trained_at_us=model.trained_at_us,
        )
    )
    arrays = (
        forest.feature.astype("<i2"),
        forest.threshold.astype("<f4"),
        forest.path.astype("<f8"),
        model.medians.astype("<f8"),
        model.light_w.astype("<f8"),
        model.limits.astype("<f8"),
        model.usual.astype("<f8"),
    )
    content = b"".join(
        [_HEAD.pack(MAGIC, VERSION, len(header)), header, *(one.tobytes() for one in arrays)]
    )
    return content + _CRC.pack(zlib.crc32(content))


def decode_model(content: bytes) -> AnomalyModel:
    """The model in the bytes of a file.

    Raises:
        StorageError: They are not a sound model of this version; the message says why.
    """
    if len(content) > MAX_BYTES:
        raise StorageError(f"is larger than {MAX_BYTES >> 20} MB")
    if len(content) < _HEAD.size + _CRC.size or not content.startswith(MAGIC):
        raise StorageError("is no model file")
    _, version, header_size = _HEAD.unpack_from(content)
    if version != VERSION:
        raise StorageError(f"has version {version}; this program reads version {VERSION}")
    body = len(content) - _CRC.size
    if zlib.crc32(memoryview(content)[:body]) != _CRC.unpack_from(content, body)[0]:
        raise StorageError("is damaged: its checksum does not fit")
    if header_size > min(_MAX_HEADER, body - _HEAD.size):
        raise StorageError("has a header that is too long")
    header = _decode_header(content[_HEAD.size : _HEAD.size + header_size])
    model = _build_model(header, memoryview(content)[_HEAD.size + header_size : body])
    faults = list_model_faults(model)
    if faults:
        raise StorageError("; ".join(faults))
    return model


def _decode_header(content: bytes) -> _Header:
    try:
        return msgspec.json.decode(content, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise StorageError(f"has a header that cannot be read ({fault})") from fault


def _build_model(header: _Header, arrays: memoryview) -> AnomalyModel:
    n_nodes = header.n_nodes
    wanted = (
        *(("<i2", n_nodes), ("<f4", n_nodes), ("<f8", n_nodes)),
        ("<f8", len(header.features)),
        *[("<f8", header.n_limits)] * 3,
    )
    size = sum(np.dtype(kind).itemsize * length for kind, length in wanted)
    if len(arrays) != size:
        raise StorageError(f"holds {len(arrays)} bytes of numbers where {size} are announced")
    columns: list[npt.NDArray[Any]] = []
    start = 0
    for kind, length in wanted:
        column = np.frombuffer(arrays, kind, length, start)
        # A copy of its own: aligned, and in the order of this machine.
        columns.append(column.astype(column.dtype.newbyteorder("=")))
        start += column.nbytes
    feature, threshold, path, medians, light_w, limits, usual = columns
    return AnomalyModel(
        device_class=header.device_class,
        forest=Forest(
            feature=feature,
            threshold=threshold,
            path=path,
            n_trees=header.n_trees,
            sample=header.sample,
            features=header.features,
            n_rows=header.n_rows,
        ),
        light_w=light_w,
        limits=limits,
        usual=usual,
        limit_share=header.limit_share,
        medians=medians,
        full_power_w=header.full_power_w,
        n_devices=header.n_devices,
        start_us=header.start_us,
        end_us=header.end_us,
        trained_at_us=header.trained_at_us,
    )
