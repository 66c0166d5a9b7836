"""Traces as OpenTelemetry's spans, sent by OTLP over HTTP, named as its conventions for messaging say.

A span that is not ended is not sent, so the spans of a transaction are ended when it is committed, and forgotten with it
when it is not. They are sent by a thread of the library: whoever is away is not waited for, and what does not fit into
the queue meanwhile is dropped.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.contract.envelope import Envelope, Record
from shared.contract.message import Message
from shared.runtime.inputs import DeadLetter, Deliver, Reject, WorkItem
from shared.runtime.observability.tracing import Call, Spans, Tracer
from shared.settings import Settings

QUEUE: Final = 16_384
"""Spans that wait to be sent; a commit of a thousand messages makes some three thousand."""
MAX_BATCH_SIZE: Final = 1_024
CLOSE_SECONDS: Final = 2.0
PEER: Final = "payment-gateway"
_W3C: Final = TraceContextTextMapPropagator()

Attributes = Mapping[str, str | int]


class OtlpTracer(Tracer):
    """Sends the spans of a service to the collector the settings name."""

    def __init__(self, service: str, settings: Settings) -> None:
        logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)  # one line for each failure, not each attempt
        self.topic_name = settings.topic
        self.group = settings.topic(f"quadrille.{service}")
        resource = Resource.create({"service.namespace": "quadrille", "service.name": service})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter, QUEUE, max_export_batch_size=MAX_BATCH_SIZE))
        self._tracer = self._provider.get_tracer("quadrille")

    def start(self, name: str, kind: SpanKind, parent: str | None, attributes: Attributes) -> Span:
        """A span that begins now. One without a parent that can be read begins a trace."""
        context = _W3C.extract({"traceparent": parent}, Context()) if parent else Context()
        return self._tracer.start_span(name, context, kind, attributes)

    def spans(self) -> Spans:
        """For a transaction that begins."""
        return OtlpSpans(self)

    def call(self, name: str, checkout_id: str, traceparent: str | None) -> Call:
        """A call to the payment gateway begins."""
        about = {"peer.service": PEER, "quadrille.checkout_id": checkout_id}
        return OtlpCall(self.start(name, SpanKind.CLIENT, traceparent, about))

    def close(self) -> None:
        """Send what waits, but not for longer than :data:`CLOSE_SECONDS`."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)


class OtlpSpans(Spans):
    """The spans of one transaction."""

    def __init__(self, tracer: OtlpTracer) -> None:
        self._tracer = tracer
        self._begun: list[Span] = []

    def handling(self, item: Deliver | Reject, cause: Envelope) -> Envelope:
        """A message is processed; or a timer or an answer is, which came by no topic."""
        if item.record is None:
            assert isinstance(item, Deliver)
            about = {"quadrille.subject": item.reaction.id_of(item.trigger), **_conversation(cause)}
            return self._begin(item.reaction.name, SpanKind.INTERNAL, cause, about)
        about = {**self._place(item, item.record), **_message(cause)}
        if isinstance(item, Deliver):
            about |= {"cloudevents.event_subject": item.trigger.subject, "quadrille.reaction": item.reaction.name}
        name = f"process {about['messaging.destination.name']}"
        return self._begin(name, SpanKind.CONSUMER, cause, about)

    def sending(self, message: Message, envelope: Envelope, topic: str, partition: int) -> Envelope:
        """A message is put into the outbox: its reader's span is a child of this."""
        about = {
            **_operation("send", self._tracer.topic_name(topic), partition),
            **_message(envelope),
            "cloudevents.event_subject": message.subject,
        }
        return self._begin(f"send {about['messaging.destination.name']}", SpanKind.PRODUCER, envelope, about)

    def dead_letter(self, item: DeadLetter) -> None:
        """A record could not be processed. What it says is not repeated here: it may be anything."""
        headers = dict(reversed(item.record.headers))  # the first of equals counts
        parent = (headers.get("traceparent") or b"").decode(errors="replace")
        about = {**self._place(item, item.record), "error.type": type(item.error).__name__, "quadrille.stage": item.stage}
        span = self._tracer.start(f"process {about['messaging.destination.name']}", SpanKind.CONSUMER, parent, about)
        span.set_status(StatusCode.ERROR)
        self._begun.append(span)

    def committed(self) -> None:
        """End them: they will be sent."""
        now = time.time_ns()
        for span in self._begun:
            span.end(now)

    def _begin(self, name: str, kind: SpanKind, envelope: Envelope, about: Attributes) -> Envelope:
        span = self._tracer.start(name, kind, envelope.traceparent, about)
        self._begun.append(span)
        return replace(envelope, traceparent=_traceparent(span))

    def _place(self, item: WorkItem, record: Record) -> dict[str, str | int]:
        read = record.redriven or record
        return {
            **_operation("process", self._tracer.topic_name(read.topic), item.partition),
            "messaging.consumer.group.name": self._tracer.group,
            "messaging.kafka.offset": read.offset,
        }


class OtlpCall(Call):
    """A span that ends with the answer; the call was made, whatever becomes of what it is for."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.traceparent = _traceparent(span)

    def end(self, outcome: str, *, failed: bool) -> None:
        """End it: it will be sent."""
        self._span.set_attribute("quadrille.outcome", outcome)
        if failed:
            self._span.set_attribute("error.type", outcome)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _operation(operation: str, topic: str, partition: int) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
    }


def _message(envelope: Envelope) -> dict[str, str | int]:
    return {
        "messaging.message.id": envelope.id,
        "messaging.kafka.message.key": envelope.key,
        "cloudevents.event_type": envelope.type,
        **_conversation(envelope),
    }


def _conversation(envelope: Envelope) -> dict[str, str | int]:
    return {"messaging.message.conversation_id": envelope.correlation_id}


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    ids = f"{trace.format_trace_id(context.trace_id)}-{trace.format_span_id(context.span_id)}"
    return f"00-{ids}-{context.trace_flags:02x}"
