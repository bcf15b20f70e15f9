"""The registry: sites, devices, series and what was set aside, in SQL."""
