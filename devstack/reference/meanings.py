"""What messages and their fields mean, from the docstrings of the contract."""

import ast
import inspect
import re
import sys
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

EVERYWHERE: Final = {
    "alert_id": "The alert.",
    "amount": "Minor units of the currency.",
    "by": "Who did it.",
    "cart_id": "The cart.",
    "checkout_id": "The attempt to check the cart out.",
    "command_id": "The command this is about.",
    "currency": "ISO 4217.",
    "customer_id": "Who shops.",
    "items": "Products and how many of each.",
    "dead_letter_id": "The dead letter.",
    "order_number": "The order, for people.",
    "payment_method": "How it is paid.",
    "quantity": "Units.",
    "reason": "Why, for people.",
    "reasons": "Every one; their messages are sentences a customer may see.",
    "service": "The service it is about.",
    "shortages": "Every SKU of which there is too little.",
    "sku": "The product.",
    "totals": "The bill.",
    "why": "Why, for the books.",
}
"""Names that mean the same wherever they stand, so that the contract need not say it each time."""


def prose(documented: Any) -> str:
    """The docstring of a class or function as Markdown, a line for each paragraph."""
    text = inspect.cleandoc(documented if isinstance(documented, str) else documented.__doc__ or "")
    text = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", text).replace("``", "`")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def meaning(model: type[BaseModel], field: str) -> str | None:
    """What a field means: what is said below it, or of it in the docstring of its class, or what it means everywhere."""
    for owner in model.__mro__[: model.__mro__.index(BaseModel)]:
        below = _field_docstrings(owner.__module__).get((owner.__name__, field))
        if below or (below := _said_above(owner.__doc__ or "", field)):
            return prose(below)
    return EVERYWHERE.get(field)


def _said_above(docstring: str, field: str) -> str | None:
    """What ``name``: introduces, up to the end of the sentence; several names may share it."""
    text = " ".join(docstring.split())
    for names, said in re.findall(r"((?:``\w+``(?:, | and )?)+): ([^.;]+)", text):
        if f"``{field}``" in names:
            return f"{said[0].upper()}{said[1:]}."
    return None


@cache
def _field_docstrings(module: str) -> dict[tuple[str, str], str]:
    """By class and field: the string that stands below the field. Python itself forgets these."""
    found: dict[tuple[str, str], str] = {}
    for owner in ast.parse(inspect.getsource(sys.modules[module])).body:
        if not isinstance(owner, ast.ClassDef):
            continue
        for field, below in zip(owner.body, owner.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[owner.name, name] = said
    return found
