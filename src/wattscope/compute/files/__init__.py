"""Decoders of whole files: rows of a table, lines of a protocol, entries of a feed.

::

    blocks of bytes ─▶ line_blocks ─▶ table_rows ─▶ csv_table ──▶ RowGroup | BadRow
                            │                       ▲ column_map, stamps, cells
                            └─▶ line_protocol ─▶ Point | BadLine
                                      └─▶ line_file ─▶ NumberedReading | BadLine
                                            ▲ line_map, line_meaning
                     └─▶ espi_feed ─▶ green_button ─▶ RowGroup | BadRow | BadFile

Nothing here opens a file, and nothing raises because of what a file contains.
"""
