"""How late the event loop is: what a call waits before anyone looks at it. TypeScript's has nodejs_eventloop_lag_*."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Histogram

EVERY_SECONDS = 0.1
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def lag_histogram(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "gradus_event_loop_lag_seconds",
        "How late the event loop of a Python service was, asked ten times a second.",
        buckets=BUCKETS,
        registry=registry,
    )


async def follow_lag(seconds: Histogram) -> None:
    """Ten times a second, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY_SECONDS
        await asyncio.sleep(EVERY_SECONDS)
        seconds.observe(max(0.0, loop.time() - due))
