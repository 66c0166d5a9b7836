"""The static files. Their addresses contain a hash of their content, so browsers cache them for ever."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TYPES: Final = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
FOREVER: Final = "public, max-age=31536000, immutable"


@cache
def _content(name: str) -> bytes:
    return files("services.console").joinpath("static", name).read_bytes()


@cache
def address(name: str) -> str:
    """The address of a file."""
    return f"/static/{name}?{hashlib.sha256(_content(name)).hexdigest()[:12]}"


async def serve(request: Request) -> Response:
    """Serve a file."""
    name = request.path_params["name"]
    if name not in TYPES:
        raise HTTPException(404)
    return Response(_content(name), media_type=TYPES[name], headers={"Cache-Control": FOREVER})
