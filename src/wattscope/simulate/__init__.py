"""Households, plants and meters that exist only as functions of a seed and an instant.

::

    simulator.py     what every simulator is to the rest of the program
    noise.py         reproducible smooth noise by hashing (pure)

    home.py          what the house and its roof do at any instant: power and exact counters (pure)
    home_messages.py the same in the words of the devices: MQTT topics, payloads, history (pure)
    publish.py       sends the messages of each instant to a broker, on the wall clock

    plant.py, heat_pump.py   two sites with Modbus meters (pure)
    any_meter.py     a load for a meter of any type, in closed form (pure)
    metered_days.py  their registers: sums of integers (pure)
    three_phase.py   what a meter tells of the power of three phases (pure)
    site_values.py   columns of a model, handed out second by second

    grid_meters.py, grid_shapes.py  who is behind each meter of a grid, and when they use how much
    grid_loads.py    their power over a day and their registers, without summing the past (pure)
    grid_model.py, grid_simulator.py  what the meters say of it, and how

    modbus_bank.py, modbus_sunspec.py   registers as bytes
    modbus_exchange.py  one request, and how its reply is wrapped
    modbus_faults.py    the ways to misbehave
    modbus_gateway.py   what is answered, rightly or wrongly
    modbus_line.py      the time that an RS-485 line takes
    modbus_server.py, modbus_serial.py  sockets and serial ports
    modbus_site.py      a site's meters behind their ports, and their past
    site_simulators.py  plant, heat pump and single meters as simulators

A simulator keeps no state that matters: the same settings give the same values at the same
instant, however often it is started, replayed or asked out of order.
"""
