"""JSON Schemas (draft 2020-12) of the messages, as their readers check them, with what every field means."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from devstack.reference.meanings import meaning, prose
from shared.contract.message import Command, Message

Schema = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Documented(GenerateJsonSchema):
    """As pydantic makes it, with meanings for titles, and with maps that refuse other keys, as the models do."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        """The schema of a message or value."""
        model: type[BaseModel] = schema["cls"]
        made = super().model_schema(schema)
        if model.__doc__:
            made["description"] = prose(model)
        for name, field in made.get("properties", {}).items():
            if said := meaning(model, name):
                field["description"] = said
        return made

    def dict_schema(self, schema: core_schema.DictSchema) -> Schema:
        """The schema of a map: where its keys have a pattern, no others are taken."""
        made = super().dict_schema(schema)
        return made | {"additionalProperties": False} if "patternProperties" in made else made

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Names are enough."""
        return False


def definitions(kinds: Iterable[type[Message]], at: str) -> dict[str, Schema]:
    """The schemas of messages and of every value in them, by name; ``at``: where they will stand, such as ``#/$defs/``."""
    found: dict[str, Schema] = {}
    for kind in kinds:
        schema = _schema(kind, at)
        found |= {label(kind): {name: part for name, part in schema.items() if name != "$defs"}, **schema.get("$defs", {})}
    return dict(sorted(found.items()))


@cache
def _schema(kind: type[Message], at: str) -> Schema:
    return kind.model_json_schema(ref_template=at + "{model}", schema_generator=_Documented)


def silent(schemas: Mapping[str, Schema]) -> list[str]:
    """The classes and fields that do not say what they mean."""
    classes = [name for name, schema in schemas.items() if not schema.get("description")]
    return classes + [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, part in schema.get("properties", {}).items()
        if "description" not in part
    ]


def document(kind: type[Message], example: Any) -> Schema:
    """The schema of one message, complete in itself.

    ``x-kind``, ``x-topic`` and ``x-key`` say what else is promised of it: whether it is a command or an event, the topic
    it travels on (missing where that depends on who sends it) and the field that is the Kafka key.
    """
    values = definitions([kind], "#/$defs/")
    schema = values.pop(label(kind))
    return {
        "$schema": DIALECT,
        "$id": f"urn:quadrille:{kind.__name__}:v{kind.version}",
        "title": kind.__name__,
        "description": schema.get("description", ""),
        "x-kind": "command" if issubclass(kind, Command) else "event",
        **({"x-topic": kind.topic} if kind.topic else {}),
        "x-key": kind.key_field,
        **{name: part for name, part in schema.items() if name not in ("title", "description")},
        **({"$defs": values} if values else {}),
        "examples": [example],
    }


def label(kind: type[Message]) -> str:
    """What a message is called in the documents: its name, with the version where it is not the first."""
    return kind.__name__ if kind.version == 1 else f"{kind.__name__}V{kind.version}"


def file_name(kind: type[Message]) -> str:
    """The file of a message's schema."""
    return f"{kind.__name__}.v{kind.version}.json"
