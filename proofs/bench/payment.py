"""``python -m proofs.bench.payment LEDGER``: the payment service with a gateway that answers in the process itself.

So a bench measures what the services cost, and not a gateway. It is the sandbox without its network and its disk: the same
wire, rules and ledger file, which every payment process of a bench shares and which the sandbox beside them serves to the
audit. Nothing but this module can start it: a production process knows no gateway but the one at its address.
"""

import sqlite3
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import orjson

from devstack.sandbox import answers
from devstack.sandbox.calls import Authorize, Call, Capture, Refund, Void
from devstack.sandbox.ledger import Ledger
from devstack.sandbox.operations import perform
from devstack.sandbox.service import other_parameters
from services.payment import migrations
from services.payment.__main__ import define
from services.payment.gateways import wire
from services.payment.gateways.http import HttpGateway
from services.payment.operations import Operations
from shared.runtime.main import Worker, main
from shared.runtime.service import Service

KEPT_SECONDS: Final = 10**9
"""How long holds and keys last: longer than any bench."""
INTENTS: Final = "/v1/payment_intents"


class InProcessGateway(HttpGateway):
    """Approves every token. The file ``ledger`` is made where it is missing; any number of processes may share it."""

    def __init__(self, ledger: Path) -> None:
        super().__init__("http://in-process", "none")
        ledger.parent.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(ledger, durable=False)

    async def close(self) -> None:
        """Close the ledger."""
        await super().close()
        self._ledger.close()

    async def _request(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> wire.Reply:
        """Answer a request as the sandbox does."""
        now = time.time()
        if method == "GET":
            reference = unquote(path.partition("?reference=")[2])
            found = [answers.payment(intent, now) for intent in self._ledger.with_reference(reference)]
            return wire.Reply(200, {}, orjson.dumps({"object": "list", "data": found}))
        call = _call(path, headers["Idempotency-Key"], body or b"{}")
        self._ledger.begin()
        try:
            earlier = self._ledger.answer(call.key, now - KEPT_SECONDS)
            if earlier is None:
                answer = perform(self._ledger, call, (), "", now, KEPT_SECONDS).answer
            elif earlier.fingerprint == call.fingerprint:
                answer = answers.Answer(earlier.status, earlier.body)
            else:
                answer = other_parameters()
            self._ledger.commit()
        except sqlite3.Error:
            self._ledger.roll_back()
            raise
        replayed = {"Idempotent-Replayed": "true"} if earlier is not None else {}
        return wire.Reply(answer.status, replayed, answer.body)


def _call(path: str, key: str, body: bytes) -> Call:
    if path == INTENTS:
        return Call("authorize", key, "", Authorize.model_validate_json(body))
    if path == "/v1/refunds":
        refund = Refund.model_validate_json(body)
        return Call("refund", key, refund.payment_intent, refund)
    authorization_id, what = path.removeprefix(f"{INTENTS}/").rsplit("/", 1)
    if what == "capture":
        return Call("capture", key, unquote(authorization_id), Capture.model_validate_json(body))
    return Call("void", key, unquote(authorization_id), Void.model_validate_json(body))


def workers(service: Service) -> list[Worker]:
    """The calls to the gateway in the process itself."""
    return [Operations(service, InProcessGateway(Path(sys.argv[1]))).run]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m proofs.bench.payment LEDGER")
    main(define, migrations, workers)
