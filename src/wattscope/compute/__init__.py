"""What is computed from readings: decode, validate, enrich, counters, rollups and the like.

Floor 3 is pure: no I/O, no clock, no randomness and no settings; all of it comes as arguments.
"""
