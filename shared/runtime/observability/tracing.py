"""Traces: what the runtime tells of each message it handles and sends, and of each call it makes.

Here nothing is made of it. Where a setting names a collector, :mod:`shared.runtime.observability.otlp` makes spans, and
only then is OpenTelemetry's library imported.
"""

from typing import Final

from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.inputs import DeadLetter, Deliver, Reject
from shared.settings import Settings


class Spans:
    """What is told of one transaction. It counts once :meth:`committed` is called: what was rolled back is run again."""

    def handling(self, item: Deliver | Reject, cause: Envelope) -> Envelope:
        """An item is being handled; returns its envelope, by which what it causes belongs to this."""
        return cause

    def sending(self, message: Message, envelope: Envelope, topic: str, partition: int) -> Envelope:
        """A message is put into the outbox; returns the envelope to send it in."""
        return envelope

    def dead_letter(self, item: DeadLetter) -> None:
        """A record becomes a dead letter."""

    def committed(self) -> None:
        """The transaction stands."""


class Call:
    """A call to another system under way. ``traceparent``: what follows from its answer belongs to it."""

    traceparent: str | None = None

    def end(self, outcome: str, *, failed: bool) -> None:
        """It was answered, or not: ``outcome`` says how."""


NO_SPANS: Final = Spans()
NO_CALL: Final = Call()


class Tracer:
    """Makes the traces of one service; this one makes none."""

    def spans(self) -> Spans:
        """For a transaction that begins."""
        return NO_SPANS

    def call(self, name: str, checkout_id: str, traceparent: str | None) -> Call:
        """A call begins; ``traceparent`` is that of what caused it."""
        return NO_CALL

    def close(self) -> None:
        """Send what waits, but not for longer than a moment."""


def tracer(service: str, settings: Settings) -> Tracer:
    """The tracer of a service, as the settings want it."""
    if not settings.otlp_endpoint:
        return Tracer()
    from shared.runtime.observability.otlp import OtlpTracer

    return OtlpTracer(service, settings)
