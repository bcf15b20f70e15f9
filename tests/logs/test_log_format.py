"""The bytes of a log that was written once: they must be readable for ever."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from wattscope.core.reading import build_batch
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel
from wattscope.logs.segment_reader import pack_segment_head
from wattscope.ports import LogRecord, Quarantined

PAGE = Path(__file__).resolve().parents[2] / "docs" / "log-format.md"
ITEM = Quarantined("m", "t", b"\xff", 5, "range", "d")
RECORDS = (
    "57535231 01 00 0000 0201000000000000 43000000 11b4d1d4"
    "02000000 01000000 03000000 0200000000000000 0400000000000000"
    "000000000000f83f 00000000000000c0 00 04"
    "92 91 96 a16d a174 c401ff 05 a572616e6765 a164 91 09"
    "57535231 01 00 0000 0301000000000000 1c000000 f8f8a297"
    "01000000 01000000 00401e18240a0600 0000000000d06c40 00 92 90 90"
)
VERSION_1 = "57534c47 0100 0000 0201000000000000 8644ba92" + RECORDS
VERSION_2 = "57534c47 0200 0100 0201000000000000 48fde60a" + RECORDS
# A compressed record, offset 260, without values.
COMPRESSED = "57535231 01 01 0000 0401000000000000 0f000000 09e3267c 7801636060609834610200036d01b3"
NAME = f"{258:020d}.log"


def read(folder: Path, content: str) -> tuple[SegmentLog, list[LogRecord]]:
    (folder / NAME).write_bytes(bytes.fromhex(content))
    log = SegmentLog(folder, sync=leave_to_kernel)
    return log, list(log.read(0))


def assert_is_the_sample(records: list[LogRecord]) -> None:
    first, second = records
    assert (first.offset, first.quarantined, first.receipts) == (258, (ITEM,), (9,))
    assert first.batch.series_id.tolist() == [1, 3]
    assert first.batch.measured_at_us.tolist() == [2, 4]
    assert first.batch.value.tolist() == [1.5, -2.0]
    assert first.batch.quality.tolist() == [0, 4]
    assert (second.offset, second.quarantined, second.receipts) == (259, (), ())
    assert second.batch.measured_at_us.tolist() == [1_700_000_000_000_000]
    assert second.batch.value.tolist() == [230.5]


def test_segment_of_this_version_is_read(tmp_path: Path) -> None:
    log, records = read(tmp_path, VERSION_2)
    assert_is_the_sample(records)
    assert log.damages == []
    assert log.end_offset == 260


def test_segment_of_the_previous_version_is_read(tmp_path: Path) -> None:
    log, records = read(tmp_path, VERSION_1)
    assert_is_the_sample(records)
    assert log.damages == []
    log.append(build_batch([(1, 1, 1.0, 0)]))
    assert [one.offset for one in log.read(0)] == [258, 259, 260]


def test_compressed_record_is_read(tmp_path: Path) -> None:
    _, records = read(tmp_path, VERSION_2 + COMPRESSED)
    assert_is_the_sample(records[:2])
    assert (records[2].offset, len(records[2].batch)) == (260, 0)


def test_segment_is_written_as_the_page_draws_it(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, sync=leave_to_kernel, first_offset=258)
    log.append(build_batch([(1, 2, 1.5, 0), (3, 4, -2.0, 4)]), [ITEM], [9])
    log.append(build_batch([(1, 1_700_000_000_000_000, 230.5, 0)]))
    log.close()
    written = (tmp_path / NAME).read_bytes()
    sample = bytes.fromhex(VERSION_2)
    assert written[20:] == sample[20:]
    # Numbers from 0 on were skipped here, and one in the sample.
    assert written[:6] + written[8:16] == sample[:6] + sample[8:16]
    assert int.from_bytes(written[6:8], "little") == 258


def test_head_of_a_segment_stays_as_it_is() -> None:
    head = pack_segment_head(258, 1)
    assert head.hex() == VERSION_2.replace(" ", "")[:40]
    assert int.from_bytes(head[16:], "little") == zlib.crc32(head[:16])


def test_more_numbers_given_up_than_the_field_holds_are_the_most() -> None:
    assert pack_segment_head(0, 70_000)[6:8] == b"\xff\xff"


def test_example_of_the_page_is_a_log(tmp_path: Path) -> None:
    [block] = re.findall(r"```hex\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for line in block.splitlines() if not line.startswith("#")]
    assert bytes.fromhex("".join(lines)) == bytes.fromhex(VERSION_2)
    _, records = read(tmp_path, "".join(lines))
    assert_is_the_sample(records)
