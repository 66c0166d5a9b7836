"""Fields in words: tables of name, type and meaning, from the schemas."""

import json

from devstack.reference.schemas import Schema

VALUES_PAGE = "events.md"


def fields(schema: Schema) -> str:
    """The fields of a message or a value as a table; in words where there are none."""
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {kind(part)}{'' if name in required else _default(part)} | {_cell(part.get('description', ''))} |"
        for name, part in schema.get("properties", {}).items()
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows]) if rows else "No fields."


def kind(schema: Schema) -> str:
    """The type of a field in words."""
    match schema:
        case {"$ref": str(place)}:
            name = place.rsplit("/", 1)[1]
            return f"[{name}]({VALUES_PAGE}#{name.lower()})"
        case {"anyOf": list(choices)}:
            return " or ".join(kind(choice) for choice in choices)
        case {"enum": list(values)}:
            return " or ".join(f"`{json.dumps(value)}`" for value in values)
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"type": "array", "items": items}:
            return f"list of {kind(items)}{_at_most(schema.get('maxItems'))}"
        case {"type": "object", "patternProperties": dict(by_key)}:
            return f"map to {' or '.join(kind(value) for value in by_key.values())}"
        case {"type": "string", "format": "date-time"}:
            return "moment (RFC 3339)"
        case {"type": "string"}:
            return f"text{_at_most(schema.get('maxLength'))}"
        case {"type": "integer"}:
            return f"integer{_bounds(schema)}"
    return str(schema.get("type", "anything"))


def _at_most(limit: int | None) -> str:
    return f" (at most {limit})" if limit is not None else ""


def _bounds(schema: Schema) -> str:
    match schema:
        case {"minimum": low, "maximum": high}:
            return f" ({low:,} to {high:,})"
        case {"minimum": low}:
            return f" (at least {low:,})"
        case {"maximum": high}:
            return f" (at most {high:,})"
    return ""


def _default(schema: Schema) -> str:
    return f", else `{json.dumps(schema['default'])}`" if "default" in schema else ", may be missing"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
