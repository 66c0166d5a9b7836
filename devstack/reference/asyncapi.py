"""The AsyncAPI 3.0 document: every topic as a channel, every message with its schema, every service's operations."""

import json
import re
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

from devstack.reference import examples, headers
from devstack.reference.choreography import Choreography, Kind, in_order, named, packages
from devstack.reference.meanings import prose
from devstack.reference.schemas import definitions, label
from shared.contract.envelope import Record
from shared.contract.message import Command
from shared.contract.registry import MESSAGES
from shared.contract.topics import DEAD_LETTERS, TOPICS, Topic
from shared.settings import Settings

Part = dict[str, Any]
BINDINGS: Final = "0.5.0"
SCHEMAS: Final = "#/components/schemas/"
ATTRIBUTES, FAILURE, DEAD_LETTER = "CloudEventsHeaders", "FailureHeaders", "DeadLetter"


def build(choreography: Choreography) -> Part:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {topic: _channel(choreography, topic) for topic in TOPICS},
        "operations": _operations(choreography),
        "components": {
            "schemas": {
                **definitions(MESSAGES.values(), SCHEMAS),
                ATTRIBUTES: headers.cloud_events(),
                FAILURE: headers.failure(),
            },
            "messages": {
                **{label(kind): _message(choreography, kind) for kind in MESSAGES.values()},
                DEAD_LETTER: _dead_letter(),
            },
            "correlationIds": {
                "story": {
                    "description": "The command all of this began with.",
                    "location": "$message.header#/ce_correlationid",
                }
            },
        },
    }


def _info() -> Part:
    return {
        "title": "Quadrille",
        "version": version("quadrille"),
        "description": (
            "A checkout run by services that react to each other's events on Kafka. No orchestrator. The schemas describe the"
            " shape of the messages; the descriptions add rules between fields. Partitions and replicas are the default"
            " settings. Our services write records uncompressed, which every client can read, unless"
            " QUADRILLE_KAFKA_COMPRESSION sets a codec. They read every codec: gzip, snappy, lz4, zstd."
        ),
        "tags": [{"name": name} for name in packages()],
    }


def _server() -> Part:
    return {
        "host": "{servers}",
        "protocol": "kafka",
        "description": "The broker that QUADRILLE_KAFKA_BOOTSTRAP_SERVERS names.",
        "variables": {"servers": {"default": "localhost:9094", "description": "host:port of the broker"}},
    }


def _channel(choreography: Choreography, name: str) -> Part:
    topic, settings = TOPICS[name], Settings.model_fields
    names = _names(name, choreography.messages(name))
    return {
        "address": name,
        "title": name,
        "description": f"Key: {topic.key}. Written by {topic.writer}.",
        "servers": [{"$ref": "#/servers/broker"}],
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in names},
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": settings["partitions"].default,
                "replicas": settings["replication_factor"].default,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": BINDINGS,
            }
        },
    }


def _configuration(topic: Topic) -> Part:
    """The topic's settings, numbers as numbers and lists as lists."""

    def typed(name: str, value: str) -> Any:
        if name == "cleanup.policy":
            return value.split(",")
        return int(value) if value.isdigit() else value

    return {name: typed(name, value) for name, value in topic.config().items()}


def _operations(choreography: Choreography) -> Part:
    made: Part = {}
    for topic in TOPICS:
        for writer, kinds in choreography.sent(topic).items():
            made[f"{_slug(writer)}.sends.{topic}"] = _operation("send", topic, kinds, writer)
        for service in packages():
            kinds = choreography.read(service, topic)
            if kinds or TOPICS[topic].reader == service:
                made[f"{service}.receives.{topic}"] = _operation("receive", topic, kinds, service) | {
                    "description": _reactions(choreography, service, kinds) or prose(import_module(f"services.{service}"))
                }
    return made


def _operation(action: str, topic: str, kinds: list[Kind], who: str) -> Part:
    operation: Part = {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "title": f"{who} {action}s on {topic}",
        "tags": [{"name": who}] if who in packages() else [],
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in _names(topic, kinds)],
    }
    if action == "receive" and topic != DEAD_LETTERS:  # these have a consumer of their own, beside the runtime's
        group = {"type": "string", "enum": [f"quadrille.{who}"]}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": BINDINGS}}
    return operation


def _reactions(choreography: Choreography, service: str, kinds: list[Kind]) -> str:
    """What the service does about each message, in one line."""
    lines = []
    for reaction in choreography.reactions:
        if reaction.service == service and reaction.trigger in kinds:
            emits = ", ".join(f"`{label(kind)}`" for kind in in_order(reaction.emits)) or "nothing"
            lines.append(f"- {named(reaction)}: `{reaction.name}`, may emit {emits}")
    return "\n".join(lines)


def _names(topic: str, kinds: list[Kind]) -> list[str]:
    return [label(kind) for kind in kinds] + ([DEAD_LETTER] if topic == DEAD_LETTERS else [])


def _message(choreography: Choreography, kind: Kind) -> Part:
    key: Part = definitions([kind], SCHEMAS)[label(kind)]["properties"][kind.key_field]
    return {
        "name": kind.type_name(),
        "title": label(kind),
        "summary": prose(kind).split("\n\n")[0],
        "description": prose(kind),
        "contentType": "application/json",
        "correlationId": {"$ref": "#/components/correlationIds/story"},
        "headers": headers.of(kind, SCHEMAS + ATTRIBUTES),
        "payload": {"$ref": SCHEMAS + label(kind)},
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDINGS}},
        "examples": [_example(examples.record(kind, _source(choreography, kind)))],
    }


def _example(record: Record) -> Part:
    assert record.value is not None
    return {
        "name": "checkout",
        "headers": {name: (value or b"").decode() for name, value in record.headers},
        "payload": json.loads(record.value),
    }


def _source(choreography: Choreography, kind: Kind) -> str:
    """Who sends a message, as CloudEvents has it."""
    emitters = choreography.emitters(kind)
    if emitters:
        return f"/quadrille/{emitters[0].service}"
    return "/shop/web" if issubclass(kind, Command) else "/shop/catalogue"


def _dead_letter() -> Part:
    return {
        "name": DEAD_LETTER,
        "title": "A record that could not be handled",
        "summary": "Key, value and headers as they came, byte for byte, and beside them why they are here.",
        "contentType": "application/octet-stream",
        "headers": {"$ref": SCHEMAS + FAILURE},
        "payload": {"description": "Any bytes."},
        "bindings": {"kafka": {"key": {"description": "That of the failed record."}, "bindingVersion": BINDINGS}},
    }


def _slug(words: str) -> str:
    return re.sub(r"[^a-z]+", "-", words.lower().replace("'", ""))
