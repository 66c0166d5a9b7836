"""Money as integers: amounts in minor units of an ISO 4217 currency, and the one rounding rule of the project.

There are no floats and no default currency. Rounding is half-even, once per line.
"""

from typing import Final

EXPONENTS: Final[dict[str, int]] = {
    # ISO 4217, list one: the number of digits after the decimal point.
    "AED": 2, "AUD": 2, "BGN": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CLP": 0, "CNY": 2, "COP": 2,
    "CZK": 2, "DKK": 2, "EGP": 2, "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "IDR": 2, "ILS": 2, "INR": 2,
    "IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0, "KRW": 0, "KWD": 3, "LYD": 3, "MAD": 2, "MXN": 2, "MYR": 2,
    "NOK": 2, "NZD": 2, "OMR": 3, "PHP": 2, "PLN": 2, "PYG": 0, "RON": 2, "RSD": 2, "SAR": 2, "SEK": 2,
    "SGD": 2, "THB": 2, "TND": 3, "TRY": 2, "TWD": 2, "UAH": 2, "USD": 2, "VND": 0, "XAF": 0, "XOF": 0, "ZAR": 2,
}  # fmt: skip
"""Digits after the decimal point of every currency a cart may be opened in."""

MAX_AMOUNT: Final = 10**15
"""The largest amount of one message, in minor units: far above any cart, far below 64 bits even when summed."""


def divide(numerator: int, denominator: int) -> int:
    """The quotient rounded half to even: ``divide(5, 2) == 2``, ``divide(7, 2) == 4``, ``divide(-5, 2) == -2``."""
    if denominator <= 0:
        raise ValueError(f"the denominator must be positive, not {denominator}")
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


def allocate(amount: int, weights: list[int]) -> list[int]:
    """Split ``amount`` in proportion to ``weights`` so that the parts add up to it exactly.

    Each part is rounded down; what is left goes, a minor unit each, to the largest remainders (the first of equals).
    All weights zero: everything goes to the first part. An empty list takes nothing and gives nothing.
    """
    if not weights:
        return []
    total = sum(weights)
    if total == 0:
        return [amount, *[0] * (len(weights) - 1)]
    shares = [divmod(amount * weight, total) for weight in weights]
    parts = [quotient for quotient, _ in shares]
    by_remainder = sorted(range(len(weights)), key=lambda i: -shares[i][1])
    for i in by_remainder[: amount - sum(parts)]:
        parts[i] += 1
    return parts


def display(amount: int, currency: str) -> str:
    """An amount for people: ``display(1234, "EUR") == "12.34 EUR"``, ``display(1234, "JPY") == "1234 JPY"``."""
    exponent = EXPONENTS[currency]
    sign, digits = ("-" if amount < 0 else ""), str(abs(amount)).rjust(exponent + 1, "0")
    number = f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits
    return f"{sign}{number} {currency}"
