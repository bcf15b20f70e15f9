"""Detectors: statements about data, one file each, pure."""
