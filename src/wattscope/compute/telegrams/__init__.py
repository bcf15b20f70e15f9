"""Telegrams that meters send by themselves: cut out of a stream, and read.

::

    bytes as they come ─▶ framers ─▶ pieces ─▶ decode/dsmr_p1 ─▶ p1_lines  ─┐
                          P1, SML     │                                     ├▶ obis ─▶ Reading
                                      └──────▶ decode/sml ─────▶ sml_values ─┘

Every byte of a stream is in exactly one piece, so that nothing gets lost unseen: what is no whole
telegram is a piece too, and its decoder says why it cannot be read.
"""
