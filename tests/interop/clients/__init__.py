"""The libraries and programs, each behind the same few calls."""

from __future__ import annotations

from ..stage import Library
from .aiomqtt import Aiomqtt
from .gmqtt import Gmqtt
from .mosquitto import Mosquitto
from .mqttjs import MqttJs
from .ours import Ours
from .paho import Paho

OURS = Ours()
FOREIGN: tuple[Library, ...] = (Paho(), Aiomqtt(), Gmqtt(), MqttJs(), Mosquitto())
LIBRARIES: dict[str, Library] = {library.name: library for library in (*FOREIGN, OURS)}
