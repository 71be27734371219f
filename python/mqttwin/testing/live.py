"""A live broker for firmware that runs as its own process, and a client for plain tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from .. import units
from ..client import Client
from ..client_messages import IncomingMessage
from ..errors import MqttwinError
from ..exchange import Exchange
from ..link_spec import Link
from ..spy import Spy
from ..units import Duration
from ..world import World
from .live_link import LiveLink, link_of

T = TypeVar("T")

_LOOK_EVERY = 0.01  # s; between two looks at a condition
_PATIENCE = 5.0


class LiveBroker:
    """A broker on an ephemeral loopback port, in real time: the fixture ``mqtt_broker``.

    Attributes:
        world: The world that it lives in; its virtual time follows the wall clock.
        broker: The broker itself: `restart`, `down`, `up`, `publish`.
        host: To connect to, without a link between.
        port: The same.
    """

    def __init__(self, seed: int = 0, **options: Any) -> None:
        self.world = World(seed)
        self.broker = self.world.broker(**options)
        self.world.watch_packets()
        self._links: list[LiveLink] = []
        self._server = self.world.serve()
        self.host, self.port = self._server.host, self._server.port
        self._server.start()

    @property
    def url(self) -> str:
        """For clients: ``mqtt://127.0.0.1:40123``."""
        return self._server.url

    @property
    def connections(self) -> int:
        """Real connections at present."""
        return self._server.connections

    def link(self, model: Link | None = None, **options: Any) -> LiveLink:
        """A modelled link in front of the broker: point the firmware at its host and port.

        ``mqtt_broker.link(latency="80ms", loss=0.02, bandwidth="250kbit/s")``, or a preset:
        ``mqtt_broker.link(mt.links.lte_m())``.

        Args:
            model: From `mqttwin.links`.
            **options: Or its keywords: those of `mqttwin.links.link`.

        Raises:
            ConfigError: It has what a live link has not, such as sleep or a schedule.
        """
        self.world._changing()  # it is not closed
        number = len(self._links)
        target = (self.host, self.port)
        made = LiveLink(target, link_of(model, options), seed=self.world.seed, number=number)
        self._links.append(made)
        return made

    def spy(self, filter: str) -> Spy:
        """Messages that it routes from now on; see `World.spy`."""
        return self.world.spy(filter)

    def exchange(self) -> Exchange:
        """The last packets of real clients, as the broker saw them."""
        return self.world.exchange()

    def wait_until(self, condition: Callable[[], object], timeout: Duration = "10s") -> None:
        """Waits in real time, until a condition holds.

        Raises:
            AssertionError: It did not come true in time.
        """
        end = time.monotonic() + units.seconds(timeout, "timeout")
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"what was waited for did not come true within {timeout!r}")
            time.sleep(_LOOK_EVERY)

    def close(self) -> None:
        """Ends its links and every connection."""
        for link in self._links:
            link.close()
        self.world.close()

    def __enter__(self) -> LiveBroker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LiveBroker {self.url}>"


class LiveClient:
    """`mqttwin.Client` for tests that are no coroutines: the fixture ``mqtt_client``.

    It runs an event loop in a thread of its own; what `Client` awaits, this waits for.

    Attributes:
        client: The client itself.
    """

    def __init__(self, host: str, port: int, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="mqttwin client", daemon=True
        )
        self._thread.start()
        try:
            self.client = self.call(_made(host, port, options))
        except BaseException:
            self._end_loop()
            raise

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the client's loop, and waits for its result."""
        if not self._thread.is_alive():
            coroutine.close()
            raise MqttwinError("the client is closed")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def publish(self, topic: str, payload: Any = b"", **options: Any) -> Any:
        """Publishes, and waits for the acknowledgement where there is one; see `Client.publish`."""
        return self.call(self.client.publish(topic, payload, **options))

    def subscribe(self, *filters: Any, **options: Any) -> Any:
        """Subscribes, and waits for SUBACK; see `Client.subscribe`."""
        return self.call(self.client.subscribe(*filters, **options))

    def unsubscribe(self, *filters: str, **options: Any) -> Any:
        """Unsubscribes, and waits for UNSUBACK; see `Client.unsubscribe`."""
        return self.call(self.client.unsubscribe(*filters, **options))

    def next(self, timeout: Duration = "5s") -> IncomingMessage:
        """The next message.

        Raises:
            AssertionError: None came in time (real time).
        """
        seconds = units.seconds(timeout, "timeout")

        async def one() -> IncomingMessage:
            return await asyncio.wait_for(anext(aiter(self.client.messages)), seconds)

        try:
            return self.call(one())
        except (asyncio.TimeoutError, TimeoutError):
            raise AssertionError(f"no message came within {timeout!r}") from None

    def close(self) -> None:
        """Disconnects."""
        if not self._thread.is_alive():
            return
        try:
            self.call(self.client.__aexit__(None, None, None))
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

    def __enter__(self) -> LiveClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LiveClient {self.client.client_id!r}>"


async def _made(host: str, port: int, options: dict[str, Any]) -> Client:
    client = Client(host, port, **options)
    return await client.__aenter__()
