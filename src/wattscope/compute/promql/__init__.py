"""PromQL over columns: what Prometheus would answer, worked out from readings.

::

    text ──read_query──▶ tree ──evaluate_query──▶ Frame or scalar, one column a step
                                      │ for each selector
                                      ▼
                          a Reader: rows of its series, piece by piece, to one value a step

- ``tree``: what can be asked; ``query_reader``: text to tree, and words for what is not supported
- ``matchers``, ``patterns``: which series a selector means; patterns take linear time
- ``windows``: rows to one value a step: the last one, ``rate``, ``avg_over_time``, ...
- ``arithmetic``, ``vector_matching``, ``aggregation``, ``functions``: values to values
- ``evaluate``: the walk over the tree
- ``pieces``: how much is read at once

All is pure: rows come from the reader that the caller gives.
"""
