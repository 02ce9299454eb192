"""JSON logs on stderr and traces over OTLP, for the Python services."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter

# By the names of the TypeScript services.
LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "silent": logging.CRITICAL + 1,
}
NAMES = {logging.WARNING: "warn", logging.CRITICAL: "fatal"}


class JsonLines(logging.Formatter):
    """One JSON object per line, with the keys of services/platform/telemetry/logging.ts.

    Fields come from `log.info("…", extra={"fields": {…}})`.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": NAMES.get(record.levelno, record.levelname.lower()),
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "service": self.service,
            **getattr(record, "fields", {}),
            **current_span(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def current_span() -> dict[str, str]:
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} if context.is_valid else {}


def setup_logging(service: str, level: str) -> logging.Logger:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, LEVELS[level]))
    log = logging.getLogger("gradus")
    log.setLevel(LEVELS[level])
    return log


class CountedExporter:
    """A span exporter that counts what its collector took, and what it did not."""

    def __init__(self, exporter: Any, registry: CollectorRegistry) -> None:
        self._exporter = exporter
        self._spans = Counter(
            "gradus_trace_spans_total",
            "Spans of recorded traces by what became of them: sent, failed where the collector did not take them, "
            "dropped where too many waited.",
            ["outcome"],
            registry=registry,
        )

    def export(self, spans: Sequence[Any]) -> Any:
        result = self._exporter.export(spans)
        self._spans.labels("sent" if result.name == "SUCCESS" else "failed").inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class Tracing:
    """Spans over OTLP; does nothing, and imports nothing, without an endpoint."""

    def __init__(self, service: str, endpoint: str | None, ratio: float, registry: CollectorRegistry) -> None:
        self._provider: Any = None
        self._tracer: Any = None
        if endpoint is None:
            return
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

        self._provider = TracerProvider(
            # What a caller records is recorded here, and what it leaves out is not.
            sampler=ParentBasedTraceIdRatio(ratio),
            resource=Resource.create({"service.name": f"gradus-{service}"}),
        )
        exporter = CountedExporter(OTLPSpanExporter(endpoint=endpoint, insecure=True), registry)
        self._provider.add_span_processor(BatchSpanProcessor(cast("Any", exporter)))
        self._tracer = self._provider.get_tracer("gradus")

    @contextlib.contextmanager
    def span(self, name: str, carrier: dict[str, str] | None = None) -> Generator[Any]:
        """A server span when a caller's metadata is given, else a child of the current span; None when off."""
        if self._tracer is None:
            yield None
            return
        from opentelemetry import propagate, trace

        kind = trace.SpanKind.INTERNAL if carrier is None else trace.SpanKind.SERVER
        parent = None if carrier is None else propagate.extract(carrier)
        with self._tracer.start_as_current_span(name, context=parent, kind=kind) as span:
            yield span

    def shutdown(self) -> None:
        if self._provider is not None:
            self._provider.shutdown()
