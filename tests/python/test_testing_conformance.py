"""The suite for firmware: passes what is good, and tells what is wrong with what is not."""

from __future__ import annotations

import contextlib
import re

import pytest

import mqttwin as mt
from mqttwin import testing
from mqttwin.testing.conformance_checks import CHECKS

ALL = set(CHECKS)


class Good(mt.Device):
    """A pump as it should be."""

    keep_alive = "30s"
    session_expiry = "1h"
    clean_start = False
    will = mt.Message("pump/{id}/status", b"offline", qos=1, retain=True)
    retry = 60.0

    async def main(self):
        self.setpoint = 0.0
        self.sampled = 0
        while True:
            try:
                await self.connect()
                break
            except mt.MqttwinError:  # refused: somebody has to change something first
                await self.sleep(self.retry)
        self.every("30s", self.sample)
        async for message in self.messages():
            self.obey(message.payload)

    async def on_connect(self, event):
        try:
            if not event.session_present:
                await self.subscribe("pump/{id}/cmd", qos=1)
            await self.publish("pump/{id}/status", b"online", qos=1, retain=True)
        except mt.MqttwinError:
            pass  # the connection broke meanwhile, and comes again

    def obey(self, payload):
        try:
            self.setpoint = min(max(float(payload), 0.0), 10.0)
        except ValueError:
            self.log.warning("no setpoint: %r", payload[:20])

    def sample(self):
        self.sampled += 1
        self.publish("pump/{id}/flow", f"{self.sampled}", qos=2)


class Hasty(Good):
    """Tries again every 5 s, like all the others."""

    backoff = mt.backoff.fixed("5s")


class InStep(Good):
    """Waits longer and longer, but exactly as long as the others."""

    backoff = mt.Backoff("1s", "1min", jitter=0.0)


class Stubborn(Good):
    """Does not take no for an answer."""

    retry = 0.5


class Lazy(Good):
    """Publishes half as often as it says."""

    def sample(self):
        self.sampled += 1
        if self.sampled % 2:
            self.publish("pump/{id}/flow", f"{self.sampled}", qos=2)


class Deaf(Good):
    """Would not notice a dead link."""

    keep_alive = 0


class Forgetful(Good):
    """Subscribes when it starts, and never again."""

    subscribed = False

    async def on_connect(self, event):
        if not self.subscribed:
            self.subscribed = True
            event = mt.device.ConnectEvent(session_present=False)
        else:
            event = mt.device.ConnectEvent(session_present=True)
        await super().on_connect(event)


class Fragile(Good):
    """Takes every command for a number."""

    def obey(self, payload):
        self.setpoint = float(payload)


class Impatient(Good):
    """Publishes again what was not acknowledged at once, as a new message."""

    async def sample(self):
        self.sampled += 1
        text = f"{self.sampled}"
        for _ in range(3):
            try:
                await self.publish("pump/{id}/flow", text, qos=2, timeout="2s")
                return
            except mt.MqttwinError:
                continue


class Silent(Good):
    """Its will is not kept for those who look later."""

    will = mt.Message("pump/{id}/status", b"offline", qos=1)


class Verbose(Good):
    """Sends more at a time than the service takes."""

    def sample(self):
        self.sampled += 1
        self.publish("pump/{id}/flow", f"{self.sampled}".ljust(140_000), qos=2)


class Brittle(Good):
    """Does not expect the connection to break while it waits."""

    async def on_connect(self, event):
        if not event.session_present:
            await self.subscribe("pump/{id}/cmd", qos=1)
        await self.publish("pump/{id}/status", b"online", qos=1, retain=True)


RATE = {"pump/+/flow": "30s"}


def test_a_good_firmware_passes():
    report = testing.conformance(Good, rate=RATE)
    assert report.ok, report
    assert {check.verdict for check in report} == {"pass"}, report
    assert {check.name for check in report} == ALL
    text = str(report)
    assert text.startswith("Good: 10 pass (seed 1)\n")
    assert all(name in text for name in ALL)


# Where a firmware differs from the good one, and so which check must see it; the slow ones are run
# only where they are the point.
SLOW = {"cuts", "qos2"}


@pytest.mark.parametrize(
    ("firmware", "check", "reason"),
    [
        (Hasty, "backoff", "intervals do not grow"),
        (InStep, "backoff", "no jitter: 20 of 20 devices"),
        (Stubborn, "refusal", "although it was refused"),
        (Lazy, "rate", "declared are 20"),
        (Deaf, "keep_alive", "keep-alive is off"),
        (Forgetful, "resubscribe", "did not subscribe again to pump/good-0/cmd"),
        (Fragile, "commands", "nothing on pump/good-0/cmd: .*ValueError"),
        (Silent, "will", "is not retained"),
        (Verbose, "limits", "a payload of 140,000 bytes; AWS IoT Core takes 131,072"),
    ],
)
def test_a_bad_firmware_is_caught_by_the_right_check(firmware, check, reason):
    report = testing.conformance(firmware, rate=RATE, checks=sorted(ALL - SLOW), name="good")
    assert report.failed == [check], report
    assert re.search(reason, report[check].reason), report
    assert "good-" in report[check].exchange


def test_cuts_find_what_breaks_in_the_middle():
    report = testing.conformance(Brittle, checks=["cuts"])
    assert report.failed == ["cuts"]
    assert re.search("cut after [0-9]+ bytes", report["cuts"].reason)


def test_cuts_find_duplicates():
    report = testing.conformance(Impatient, rate=RATE, checks=["qos2"])
    assert report.failed == ["qos2"], report
    assert "came twice" in report["qos2"].reason


class LaterDuplicates(Good):
    """Sends its first reading with patience, and every later one again where nobody answers."""

    async def sample(self):
        self.sampled += 1
        text = f"{self.sampled}"
        for _ in range(1 if self.sampled == 1 else 3):
            try:
                await self.publish("pump/{id}/flow", text, qos=2, timeout="2s")
                return
            except mt.MqttwinError:
                continue


class Repeats(Good):
    """Says at QoS 2 that it is there, whenever it is."""

    async def on_connect(self, event):
        self.publish("pump/{id}/status", b"online", qos=2, retain=True)


class Loses(Good):
    """Falls silent when the connection breaks once it has sent two readings."""

    def on_disconnect(self, event):
        self.silent = self.sampled >= 2

    def sample(self):
        if not getattr(self, "silent", False):
            super().sample()


class Careful(Good):
    """Takes commands at QoS 2."""

    async def on_connect(self, event):
        if not event.session_present:
            self.subscribe("pump/{id}/cmd", qos=2)


class Watchdog(Careful):
    """Reboots when it has no connection, and with its memory loses which commands it has had."""

    def on_disconnect(self, event):
        self.reboot("1s")


def test_cuts_are_made_in_later_messages_too():
    report = testing.conformance(LaterDuplicates, checks=["qos2"])
    assert "'2' came twice" in report["qos2"].reason, report
    report = testing.conformance(Loses, checks=["cuts"])
    assert "published nothing any more: cut after" in report["cuts"].reason, report


def test_what_a_firmware_says_whenever_it_connects_is_no_duplicate():
    report = testing.conformance(Repeats, checks=["cuts", "qos2"])
    assert report.ok, report


def test_commands_at_qos_2_reach_the_application_once():
    report = testing.conformance(Careful, checks=["qos2"])
    assert "2 messages and 1 command came once each" in report["qos2"].reason, report
    report = testing.conformance(Watchdog, checks=["qos2"])
    told = "the application got the command on pump/watchdog-0/cmd twice: cut after"
    assert told in report["qos2"].reason, report


def test_commands_are_those_that_the_firmware_understands():
    heard = []

    class Strict(Good):
        def obey(self, payload):
            heard.append(payload)
            assert payload.startswith(b"open ")

    testing.conformance(Strict, commands={"pump/+/cmd": "open 5"}, checks=["cuts"])
    assert set(heard) == {b"open 5"}
    heard.clear()
    report = testing.conformance(Strict, checks=["cuts"])  # it fails at our guess
    assert (report.ok, heard) == (True, [b"0"]), report
    assert "no commands" in report["cuts"].reason


def test_devices_that_stay_only_for_a_message_and_large_messages():
    class Nomad(mt.Device):
        clean_start = False
        session_expiry = "1h"

        async def main(self):
            number = 0
            while True:
                await self.connect()
                number += 1
                with contextlib.suppress(mt.MqttwinError):
                    await self.publish("s/{id}", f"{number}".ljust(5_000), qos=2, timeout="1min")
                await self.disconnect()
                await self.sleep("20s")

    report = testing.conformance(Nomad, checks=["cuts", "qos2"])
    assert report.ok, report
    assert re.search(r"a cut at \d+ of 5,\d\d\d bytes", report["cuts"].reason), report


def test_what_does_not_apply_is_skipped():
    class Sensor(mt.Device):
        async def main(self):
            await self.connect()
            self.every("10s", lambda: self.publish("s/{id}", b"1"))

    checks = ["rate", "resubscribe", "commands", "qos2", "limits"]
    report = testing.conformance(Sensor, cloud=None, checks=checks)
    assert {check.verdict for check in report} == {"skip"}, report
    assert report.ok


def test_other_clouds():
    report = testing.conformance(Good, cloud="azure_event_grid", checks=["limits"])
    assert "publishes at QoS 2" in report["limits"].reason


def test_wrong_use():
    with pytest.raises(mt.ConfigError, match="cloud"):
        testing.conformance(Good, cloud="my cloud")
    with pytest.raises(mt.ConfigError, match="checks"):
        testing.conformance(Good, checks=["everything"])
    with pytest.raises(mt.ConfigError, match="rate"):
        testing.conformance(Good, rate={"pump/+/flow": "often"})
    with pytest.raises(mt.ConfigError, match="commands: 5 is neither bytes nor text"):
        testing.conformance(Good, commands={"pump/+/cmd": 5})
    with pytest.raises(mt.ConfigError, match="device"):
        testing.conformance(int, checks=["will"])
    nothing = testing.conformance(Good, checks=[])
    with pytest.raises(KeyError):
        nothing["rate"]
