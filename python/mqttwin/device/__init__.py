"""Firmware logic in Python: devices whose behaviour is code, in virtual time."""

from .adding import Devices, add_devices
from .api import Device
from .conditions import Condition, when
from .events import BootEvent, ConnectEvent, DisconnectEvent, MessageEvent, PublishEvent
from .link import DeviceLink
from .periodic import Every, HotCallbackWarning
from .sensors import Sensor
from .storage import Storage, StorageFull
from .tasks import Cancelled, First, ForeignAwait, Task

__all__ = [
    "BootEvent",
    "Cancelled",
    "Condition",
    "ConnectEvent",
    "Device",
    "DeviceLink",
    "Devices",
    "DisconnectEvent",
    "Every",
    "First",
    "ForeignAwait",
    "HotCallbackWarning",
    "MessageEvent",
    "PublishEvent",
    "Sensor",
    "Storage",
    "StorageFull",
    "Task",
    "add_devices",
    "when",
]
