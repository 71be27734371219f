"""Sensors: what devices measure, from generators, recorded data or a function of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from .. import _core, gen, units
from ..errors import ConfigError, refusals

if TYPE_CHECKING:
    from .api import Device
    from .crew import Crew
    from .unit import Unit


class Sensor:
    """An attribute of a device class: ``temperature = mt.Sensor(mt.gen.ou(mean=21))``.

    In the device, ``self.temperature.read()``. What is measured goes on while a device has no
    power.

    Args:
        source: A generator of `mqttwin.gen` (``gen.replay("data.csv", "t", every="1min")`` for
            recorded data), a sequence of numbers (a value a reading, again from the start at the
            end), or a function of the device and the true virtual time in seconds.
    """

    def __init__(self, source: Any) -> None:
        self._name = ""
        self._function: Callable[[Any, float], Any] | None = None
        self._generator: gen.Generator | None = None
        if isinstance(source, gen.Generator):
            self._generator = source
        elif callable(source):
            self._function = source
        elif isinstance(source, str) or not hasattr(source, "__len__"):
            raise ConfigError(
                f"{source!r} is no source of readings (write mt.gen.ou(mean=21), a list of "
                "numbers, or a function)",
                key="sensor",
            )
        else:
            self._generator = gen.replay(source)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, device: None, owner: type) -> Sensor: ...
    @overload
    def __get__(self, device: Device, owner: type) -> BoundSensor: ...
    def __get__(self, device: Device | None, owner: type) -> Sensor | BoundSensor:
        if device is None:
            return self
        unit = device._unit
        sensor: BoundSensor | None = unit.parts.get(self._name)
        if sensor is None:
            sensor = unit.parts[self._name] = BoundSensor(unit, self._name, self._bind(unit))
        return sensor

    def _bind(self, unit: Unit) -> Callable[[int], Any]:
        function, index, device = self._function, unit.index, unit.device
        if function is not None:
            return lambda now: function(device, now / units.SECOND)
        core = self._core_of(unit.crew)
        return lambda now: core.read(index, now)

    def _core_of(self, crew: Crew) -> _core.Sensor:
        """Of all the devices that were added together."""
        shared = crew.sensors
        if self._name not in shared:
            assert self._generator is not None
            with refusals(self._name):
                shared[self._name] = _core.Sensor(
                    self._generator._spec, crew.fleet._population, f"sensor {self._name}"
                )
        core: _core.Sensor = shared[self._name]
        return core


class BoundSensor:
    """A sensor of one device.

    Attributes:
        readings: How often it was read.
    """

    def __init__(self, unit: Unit, name: str, measure: Callable[[int], Any]) -> None:
        self.readings = 0
        self._unit = unit
        self._name = name
        self._measure = measure
        self._stuck: tuple[Any] | None = None

    def read(self) -> Any:
        """What it measures now."""
        self.readings += 1
        if self._stuck is not None:
            return self._stuck[0]
        return self._measure(self._unit.now)

    def stick(self, value: Any) -> None:
        """It fails: from now on it measures this, whatever is."""
        self._stuck = (value,)

    def repair(self) -> None:
        """It measures again."""
        self._stuck = None

    def __repr__(self) -> str:
        return f"<Sensor {self._name} of {self._unit.client_id}>"
