"""The words of the domain: quantities, places, instants, readings, findings and errors.

Floor 1 imports nothing of the program and does no I/O.
"""
