"""Answers calls: replays what was answered before under a key, and performs what is new, exactly once."""

import asyncio
import logging
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Final

from devstack.sandbox import answers, tokens
from devstack.sandbox.answers import Answer
from devstack.sandbox.calls import Authorize, Call
from devstack.sandbox.commits import GroupCommit
from devstack.sandbox.intents import Intent
from devstack.sandbox.ledger import Ledger
from devstack.sandbox.operations import ATTEMPTS, Outcome, perform
from devstack.sandbox.settings import Settings
from devstack.sandbox.tokens import Behaviour

PRUNE_SECONDS: Final = 60.0
_log: Final = logging.getLogger(__name__)


class ClosedError(Exception):
    """The service was closed while an answer was being kept back: there is none."""


class PaymentService:
    """All state of the sandbox: its ledger, and the idempotency keys that are being worked on."""

    def __init__(self, settings: Settings) -> None:
        """Open the ledger. Raises :class:`sqlite3.Error` where that is impossible."""
        self._settings = settings
        self._faults = settings.rates()
        path = Path(settings.ledger)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(path)
        self._reader = Ledger(path, read_only=True)
        self._commits = GroupCommit(self._ledger)
        self._in_flight: set[str] = set()
        self._closing = asyncio.Event()

    def stop_waiting(self) -> None:
        """Drop the answers that are kept back, like lost connections, so that nobody waits for them at a stop."""
        self._closing.set()

    async def close(self) -> None:
        """Finish what is being committed and close the ledger."""
        await self._commits.close()
        self._reader.close()
        self._ledger.close()

    def find(self, intent_id: str) -> Intent | None:
        """The payment with this id, as last committed."""
        return self._reader.find(intent_id)

    def with_reference(self, reference: str) -> list[Intent]:
        """The payments under a reference, the newest first."""
        return self._reader.with_reference(reference)

    def page(self, since: int, most: int) -> list[tuple[int, int, Intent]]:
        """A page of the ledger, see :meth:`Ledger.page`."""
        return self._reader.page(since, most)

    async def take(self, call: Call) -> tuple[Answer, bool]:
        """The answer to a call, and whether it was given before.

        Raises :class:`ClosedError` where the service closed before the answer was given.
        """
        if call.key in self._in_flight:
            message = "A request with this idempotency key is still being worked on; try again later."
            return answers.error(409, "idempotency_error", "idempotency_key_in_use", message, 1), False
        earlier = self._reader.answer(call.key, time.time() - self._settings.key_seconds)
        if earlier is not None:
            if earlier.fingerprint != call.fingerprint:
                return other_parameters(), False
            return Answer(earlier.status, earlier.body), True
        self._in_flight.add(call.key)
        try:
            outcome = await self._perform(call)
        finally:
            self._in_flight.discard(call.key)
        if outcome.hangs:
            await self._wait(self._settings.hang_seconds)
        return outcome.answer, False

    async def _perform(self, call: Call) -> Outcome:
        try:
            reference, behaviours = self._script(call)
        except tokens.UnknownTokenError as error:
            return Outcome(answers.error(402, "card_error", "invalid_payment_method", str(error)))
        for behaviour in behaviours:
            if behaviour.kind == "slow":
                await self._wait(behaviour.seconds)
        hold_seconds = self._settings.hold_seconds
        return await self._commits.run(lambda ledger: perform(ledger, call, behaviours, reference, time.time(), hold_seconds))

    def _script(self, call: Call) -> tuple[str, list[Behaviour]]:
        """The payment's reference, and what shall go wrong with this call, by its token and by the rates."""
        if isinstance(call.body, Authorize):
            reference, token = call.body.reference, call.body.payment_method
        elif intent := self._reader.find(call.authorization_id):
            reference, token = intent.reference, intent.token
        else:
            return "", []
        behaviours = [behaviour for behaviour in tokens.parse(token) if behaviour.operation == call.operation]
        if self._faults:
            behaviours += self._faults.draw(call.operation, call.key, self._reader.fault_count(call.key, ATTEMPTS))
        return reference, tokens.in_order(behaviours)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
        raise ClosedError

    async def prune(self) -> None:
        """Forget old idempotency keys, for ever; cancel it to stop."""
        every = min(PRUNE_SECONDS, self._settings.key_seconds)
        while True:
            await asyncio.sleep(every)
            old = time.time() - self._settings.key_seconds
            try:
                while await self._commits.run(partial(Ledger.forget_answers, not_after=old)):
                    pass
            except sqlite3.Error:
                _log.exception("old idempotency keys could not be forgotten; trying again in %g s", every)


def other_parameters() -> Answer:
    """The answer to a key that comes again with another request."""
    message = "This idempotency key was first used with other parameters; a new request needs a new key."
    return answers.error(400, "idempotency_error", "idempotency_key_reused", message)
