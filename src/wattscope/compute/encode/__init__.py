"""Encoding: what is known here, as the bytes that other systems take. Pure."""
