"""Lists that do not fit on one page."""

from typing import Annotated

import typer

Limit = Annotated[int, typer.Option(min=1, help="Rows on a page.")]
Page = Annotated[int, typer.Option(min=1, help="Which page.")]


def shown(what: str, some: int, total: int, page: int) -> str:
    """How many of how many are on this page, and how to see the next."""
    if some == total:
        return f"{total:,} {what}"
    if not some:
        return f"Page {page} is empty: {total:,} {what}"
    return f"{some:,} of {total:,} {what}, page {page}; the next: --page {page + 1}"
