"""Steps from one version of the meter book to the next; see ``meter_upgrade``."""
