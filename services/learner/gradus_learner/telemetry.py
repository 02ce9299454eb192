"""JSON logs on stderr and traces over OTLP, for the Python services."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Generator
from typing import Any


class JsonLines(logging.Formatter):
    """One JSON object per line; fields come from `log.info("…", extra={"fields": {…}})`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        level = {"WARNING": "warn", "CRITICAL": "error"}.get(record.levelname, record.levelname.lower())
        line: dict[str, Any] = {
            "time": int(record.created * 1000),
            "level": level,
            "service": self.service,
            "msg": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        trace = current_trace_id()
        if trace is not None:
            line["traceId"] = trace
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def current_trace_id() -> str | None:
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def setup_logging(service: str, level: str) -> logging.Logger:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log = logging.getLogger("gradus")
    log.setLevel({"warn": "WARNING"}.get(level, level.upper()))
    return log


class Tracing:
    """Spans over OTLP; does nothing, and imports nothing, without an endpoint."""

    def __init__(self, service: str, endpoint: str | None) -> None:
        self._provider: Any = None
        self._tracer: Any = None
        if endpoint is None:
            return
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider(resource=Resource.create({"service.name": f"gradus-{service}"}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
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
