"""The live view in Redis, shared by all processes of an installation.

::

    update ──▶ update.lua ──▶ pages ──load──▶┐
                   └──▶ channel ──follow────▶ mirror ──▶ latest, latest_of, minutes_of

    options     where Redis is                 link      what is asked of Redis, with bounded waits
    layout      how values lie there           mirror    what this process knows of it
    view        the port, and the healing

Nothing is asked of Redis when the view is read: pages are made on the event loop, where nothing
may wait for a network.
"""
