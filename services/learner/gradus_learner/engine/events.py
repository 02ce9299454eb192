"""The only place that counts and logs for the engine: one method per event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gradus_learner.engine.request import Finish

log = logging.getLogger("gradus.engine")

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class EngineEvents:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._generated = Counter("gradus_engine_generated_tokens", "Tokens sampled.", registry=registry)
        self._prefilled = Counter("gradus_engine_prefilled_tokens", "Prompt tokens computed.", registry=registry)
        self._cached = Counter("gradus_engine_cached_tokens", "Prompt tokens found in the cache.", registry=registry)
        self._steps = Counter("gradus_engine_steps", "Times that tokens were sampled for a batch.", registry=registry)
        self._preemptions = Counter(
            "gradus_engine_preemptions", "Turns put back in line to make room for others.", registry=registry
        )
        self._requests = Counter("gradus_engine_requests", "Requests ended.", ["outcome"], registry=registry)
        self._refused = Counter("gradus_engine_refused_requests", "Requests not queued.", ["reason"], registry=registry)
        self._queue = Histogram(
            "gradus_engine_queue_seconds", "Wait before a prompt is computed.", buckets=_SECONDS, registry=registry
        )
        self._load = Histogram(
            "gradus_engine_load_seconds", "Reading a version and swapping it in.", buckets=_SECONDS, registry=registry
        )
        self._swap = Histogram(
            "gradus_engine_swap_seconds",
            "Pause of generation while weights are swapped.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._version = Gauge(
            "gradus_policy_version",
            "Policy version: of the weights (learner), that engines have to serve (policy), that serves (engine).",
            registry=registry,
        )
        for outcome in (*(finish.name.lower() for finish in Finish), "failed"):
            self._requests.labels(outcome)

    def observe(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def admitted(self, prefilled: int, cached: int, queue_seconds: Sequence[float]) -> None:
        self._prefilled.inc(prefilled)
        self._cached.inc(cached)
        for seconds in queue_seconds:
            self._queue.observe(seconds)

    def sampled(self, tokens: int) -> None:
        self._generated.inc(tokens)
        self._steps.inc()

    def preempted(self) -> None:
        self._preemptions.inc()

    def finished(self, finish: Finish) -> None:
        self._requests.labels(finish.name.lower()).inc()

    def failed(self) -> None:
        self._requests.labels("failed").inc()

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def step_failed(self, error: Exception) -> None:
        log.error("a step failed; its turns are answered with the error", exc_info=error)

    def serving_version(self, version: int) -> None:
        self._version.set(version)

    def swapped(self, version: int, seconds: float) -> None:
        self._version.set(version)
        self._swap.observe(seconds)

    def loaded(self, version: int, digest: str, carried_over: int, seconds: float) -> None:
        self._load.observe(seconds)
        fields = {
            "version": version, "weightsDigest": digest, "carriedOver": carried_over, "seconds": round(seconds, 4),
        }  # fmt: skip
        log.info("version loaded", extra={"fields": fields})
