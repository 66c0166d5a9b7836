"""A rule, to be changed."""

LIGHT = 500


def postage(grams: int) -> int:
    """In cents."""
    if grams <= LIGHT:
        return 200
    return 450
