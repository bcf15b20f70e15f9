"""Modbus without the wire: frames, register values, read plans, maps and rows. All of it pure."""
