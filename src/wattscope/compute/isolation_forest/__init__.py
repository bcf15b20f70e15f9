"""The isolation forest: plain arrays, training, scoring, and the bytes of a model file; pure.

F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation Forest", ICDM 2008, doi:10.1109/ICDM.2008.17: rows
that random cuts separate early from all others are unlike them.
"""
