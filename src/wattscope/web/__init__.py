"""The API and the pages; one file a topic. It knows ports, never which engine is behind them."""
