"""The stages of the way of a reading; they know ports only, never which engine is behind them."""
