"""Settings: one TOML file becomes frozen values, or a list of everything that is wrong with it.

Each option has one spelling, one default and one description, all in ``tables``. An unknown key is
an error that names the nearest valid one. Nothing here touches the network.
"""

from wattscope.settings.arrays import find_array_faults, list_array_devices
from wattscope.settings.keeping import (
    CHUNK_INTERVALS,
    ROLES,
    LiveSettings,
    LogSettings,
    RetentionSettings,
    StorageSettings,
)
from wattscope.settings.outputs import OutputSettings
from wattscope.settings.reading import MAX_FILE_BYTES, load_settings, parse_settings
from wattscope.settings.tables import (
    ArraySettings,
    BrokerSettings,
    DetectSettings,
    DeviceSettings,
    HeatPumpSettings,
    IngestSettings,
    MeterSettings,
    NameSettings,
    NotifySettings,
    PrometheusSettings,
    RegistrySettings,
    ScreenSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    SourceSettings,
    list_renames,
)

__all__ = [
    "CHUNK_INTERVALS",
    "MAX_FILE_BYTES",
    "ROLES",
    "ArraySettings",
    "BrokerSettings",
    "DetectSettings",
    "DeviceSettings",
    "HeatPumpSettings",
    "IngestSettings",
    "LiveSettings",
    "LogSettings",
    "MeterSettings",
    "NameSettings",
    "NotifySettings",
    "OutputSettings",
    "PrometheusSettings",
    "RegistrySettings",
    "RetentionSettings",
    "ScreenSettings",
    "ServerSettings",
    "Settings",
    "SiteSettings",
    "SourceSettings",
    "StorageSettings",
    "find_array_faults",
    "list_array_devices",
    "list_renames",
    "load_settings",
    "parse_settings",
]
