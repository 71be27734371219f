"""Scenarios in a module of their own: what other processes run must be importable there."""

from __future__ import annotations

import os

import mqttwin as mt


def sensors(world: mt.World, *, devices: int = 5, qos: int = 1, loss: float = 0.05) -> None:
    """Something with losses, so that seeds differ."""
    world.broker()
    fleet = world.fleet("sensor", devices, link=mt.links.lte_m(loss=loss))
    fleet.publish("s/{id}", every="10s", jitter="1s", qos=qos, payload=mt.raw(b"reading"))
    world.fleet("reader").subscribe("s/#", qos=qos)


def figures(result: mt.Result) -> dict[str, object]:
    """For `collect`."""
    return {"rows": len(result.messages), "delivered": "taken", "fast": result.latency.p50 < 1}


def fragile(world: mt.World, *, how: str = "") -> None:
    """Raises, or takes its process along."""
    sensors(world)
    if how == "raise":
        raise ZeroDivisionError("no such luck")
    if how == "die":
        os._exit(3)
    if how == "late":
        world.at("30s", lambda: 1 / 0)


def endless(world: mt.World, *, marks: str = "") -> None:
    """Leaves a mark when it runs."""
    sensors(world, devices=50)
    world.at("1s", lambda: open(f"{marks}/{world.seed}", "w").close())
