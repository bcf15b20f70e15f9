"""Households, plants and meters that exist only as functions of a seed and an instant.

::

    home.py          what the house and its roof do at any instant: power and exact counters (pure)
    home_messages.py the same in the words of the devices: MQTT topics, payloads, history (pure)
    noise.py         reproducible smooth noise by hashing (pure)
    publish.py       sends the messages of each instant to a broker, on the wall clock

A simulator keeps no state that matters: the same settings give the same values at the same
instant, however often it is started, replayed or asked out of order.
"""
