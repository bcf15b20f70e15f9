"""The composition root: the only place where settings become objects.

::

    storage.py   registry, log, store, shelf and live view of a data folder
    feeds.py     sources with their way into the log
    program.py   everything that runs in one process
    health.py    what the web routes are given, and how the program stands
    file_import.py   files with their way into the log
"""
