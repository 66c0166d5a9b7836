"""Text that came from elsewhere: no database and no terminal takes everything."""


def plain(text: str, limit: int | None = None) -> str:
    """No more characters than ``limit``, and a question mark in a diamond for each that cannot be printed (NUL, escapes)."""
    cut = text[:limit]
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "�" for c in cut)
