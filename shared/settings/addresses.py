"""Addresses of databases, as in PostgreSQL's own programs, validated before anything connects."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

FORM: Final = "postgresql://role:password@host:port/database?sslmode=verify-full&sslrootcert=/path/of/ca.pem"
SCHEMES: Final = ("postgres", "postgresql", "postgresql+asyncpg")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
DEFAULT_AUTHORITIES: Final = Path("~/.postgresql/root.crt")
INSTEAD: Final = {"ssl": "use sslmode", "hostaddr": "use host"}
UNKNOWN: Final = (
    *("channel_binding", "connect_timeout", "fallback_application_name", "gssencmode", "keepalives", "keepalives_count"),
    *("keepalives_idle", "keepalives_interval", "load_balance_hosts", "replication", "require_auth", "requirepeer"),
    *("sslcertmode", "sslcompression", "sslsni"),
)
"""Parameters of libpq that asyncpg would pass to the server, which does not know them."""
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(:\d+)?")


def database_address(address: str) -> str:
    """An address that asyncpg takes: of a server, of several (``host1:5432,host2:5432``), or of a Unix socket
    (``postgresql://role@/database?host=/run/postgresql``).

    Raises ``ValueError`` saying what to write, without the address, which has a password in it.
    """
    scheme, slashes, rest = address.partition("://")
    if not slashes or scheme not in SCHEMES:
        raise ValueError(f"write {FORM}{f'; {scheme} is another kind of address' if slashes else ''}")
    try:
        parts = urlsplit(f"postgresql://{rest}")
    except ValueError as error:
        raise ValueError(f"{error}: write {FORM}") from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if "@" in parts.path or not all(map(_HOST.fullmatch, hosts)):
        raise ValueError(f"write {FORM}, in the password %40 for @, %2F for /, %3A for :, %23 for # and %3F for ?")
    _check(parts)
    return f"postgresql://{rest}"


def _check(parts: SplitResult) -> None:
    try:
        given = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ValueError("the part after ? must be name=value pairs, joined by &") from None
    for name in given:
        if name in INSTEAD or name in UNKNOWN:
            raise ValueError(f"the parameter {name} is not supported: {INSTEAD.get(name, 'remove it')}")
    mode = given.get("sslmode", "prefer")
    if mode not in SSL_MODES:
        raise ValueError(f"sslmode must be one of {', '.join(SSL_MODES)}, not {mode!r}")
    for name in FILES:
        if name in given and not Path(given[name]).is_file():
            raise ValueError(f"{name} must be the path of a file; there is no file {given[name]!r}")
    if mode.startswith("verify") and "sslrootcert" not in given and not DEFAULT_AUTHORITIES.expanduser().is_file():
        raise ValueError(f"sslmode={mode} needs the authorities to trust: add &sslrootcert=/path/of/ca.pem")
