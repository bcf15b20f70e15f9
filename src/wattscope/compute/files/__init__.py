"""Decoders of whole files: rows of a table or lines of a protocol, from blocks of bytes.

::

    blocks of bytes ─▶ line_blocks ─▶ table_rows ─▶ csv_table ──▶ RowGroup | BadRow
                            │                       ▲ column_map, stamps, cells
                            └─▶ line_protocol ─▶ Point | BadLine
                                      └─▶ line_map ─▶ NumberedReading | BadLine

Nothing here opens a file, and nothing raises because of what a file contains.
"""
