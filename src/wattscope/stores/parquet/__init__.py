"""Parquet files of our own making: small, checked block by block, and readable by any tool.

::

    writer ─▶ row groups of column chunks of pages ─▶ index (ours) ─▶ footer (Parquet's)
                                                          │
    reader ◀── only the pages of the asked series ◀───────┘
"""
