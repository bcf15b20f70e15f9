"""The store in PostgreSQL, with or without TimescaleDB.

::

    connections   a few connections; what is lost heals at the next call
    server        what the server can do: told apart at opening
    schema        tables, made and migrated by the program; timescale adds what a server has more
    columns       columns of ours on the wire of PostgreSQL
    row_table     rows: COPY in, arrays out
    states        newest row and outdated stretches of each series
    buckets       kept buckets, and those computed from rows where kept ones are outdated
    roller        outdated stretches ─▶ kept buckets
    sql_session   a user's question, which may change nothing
    store         all of it as the port

It promises the answers of the embedded store: what a row means is said by ``compute`` alone.
"""
