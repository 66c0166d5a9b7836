"""A collector of traces: an OTLP receiver over HTTP that keeps every span it is sent."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WAIT_SECONDS = 30.0
KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
ERROR = 2


@dataclass(frozen=True)
class Span:
    """A span as it arrived. ``parent`` is empty where it begins its trace."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    began: int
    ended: int
    about: dict[str, Any] = field(compare=False)

    @property
    def story(self) -> Any:
        """The correlation id of what it belongs to."""
        return self.about.get("messaging.message.conversation_id")

    @property
    def event(self) -> str:
        """The message's type, without prefix and version."""
        return str(self.about.get("cloudevents.event_type", "..")).split(".")[1]


class Collector:
    """What arrived, and how often somebody sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.paths: list[str] = []
        self._news = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing: tests print what they have to say."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Be away: connections are refused from now on."""
        self._server.shutdown()
        self._server.server_close()

    def until(self, found: Callable[[Sequence[Span]], object]) -> list[Span]:
        """All spans, once they are what is waited for; fails where they do not become that in time."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self._news:
            while not found(self.spans):
                left = deadline - time.monotonic()
                assert left > 0, "\n".join(f"{s.trace[:6]} {s.service} {s.name} {s.event} {s.story}" for s in self.spans[-80:])
                self._news.wait(left)
            return list(self.spans)

    def _take(self, path: str, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._news:
            self.paths.append(path)
            for resource in request.resource_spans:
                service = str(_attributes(resource.resource.attributes)["service.name"])
                self.spans += [_span(service, span) for scope in resource.scope_spans for span in scope.spans]
            self._news.notify_all()


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, gone at the end."""
    collector = Collector()
    try:
        yield collector
    finally:
        collector.stop()


def _span(service: str, span: Any) -> Span:
    return Span(
        service,
        span.name,
        KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.status.code == ERROR,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
