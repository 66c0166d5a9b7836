"""The shop's rules: what they answer, and one clear sentence for every way a file can be wrong."""

from pathlib import Path
from typing import Any

import pytest

from services.order.rules import ELSEWHERE, WHOLE, Rules, RulesError, ShippingRate, Taxes, load_rules
from shared.contract.values import Address, Reason

FILE = """
[tax_included]
EUR = true
USD = false

[shipping.post]
name = "Post"
zones = [
  { countries = ["DE", "AT"], free_from = { EUR = 5000 }, bands = [
    { up_to_grams = 1000, price = { EUR = 400 } },
    { up_to_grams = 5000, price = { EUR = 600, USD = 700 } },
  ] },
  { countries = ["*"], bands = [{ price = { USD = 2000 } }] },
]

[shipping.bike]
name = "Bike courier"
zones = [{ countries = ["DE"], bands = [{ up_to_grams = 2000, price = { EUR = 900 } }] }]

[tax.DE]
shipping = "standard"
rates = { standard = "19", reduced = "7" }

[tax.AT]
shipping = "standard"
rates = { standard = "20" }

[tax.US]
shipping = "zero"
rates = { zero = "0", reduced = "0" }

[tax.US.regions]
CA = { rates = { standard = "7.25" } }
NY = { rates = { standard = "8.875", reduced = "4" }, shipping = "standard" }

[tax.ES]
shipping = "standard"
rates = { standard = "21" }

[tax.ES.regions]
CN = { rates = { standard = "0" } }
"*" = {}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(text: str) -> Path:
        path = tmp_path / "rules.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def rules(write: Any) -> Rules:
    return load_rules(write(FILE))


def at(country: str, region: str | None = None) -> Address:
    return Address(name="A", street="B 1", city="C", postal_code="1", country=country, region=region)


def code(answer: object) -> tuple[str, str | None]:
    assert isinstance(answer, Reason), answer
    assert answer.message.endswith(".")
    return answer.code, answer.subject


@pytest.mark.parametrize(
    ("address", "taxes"),
    [
        (at("DE"), Taxes({"standard": 190_000, "reduced": 70_000}, "standard")),
        (at("DE", "BY"), Taxes({"standard": 190_000, "reduced": 70_000}, "standard")),
        (at("US", "CA"), Taxes({"standard": 72_500, "zero": 0, "reduced": 0}, "zero")),
        (at("US", "NY"), Taxes({"standard": 88_750, "zero": 0, "reduced": 40_000}, "standard")),
        (at("ES"), Taxes({"standard": 210_000}, "standard")),
        (at("ES", "MD"), Taxes({"standard": 210_000}, "standard")),
        (at("ES", "CN"), Taxes({"standard": 0}, "standard")),
    ],
)
def test_taxes_of_a_place(rules: Rules, address: Address, taxes: Taxes) -> None:
    assert rules.taxes(address) == taxes


@pytest.mark.parametrize(
    ("address", "reason"),
    [(at("FR"), "country_not_sold_to"), (at("US"), "region_missing"), (at("US", "XX"), "region_unknown")],
)
def test_places_without_tax_rules(rules: Rules, address: Address, reason: str) -> None:
    assert code(rules.taxes(address)) == (reason, "shipping_address")


def test_taxes_of_every_other_country(write: Any) -> None:
    rules = load_rules(write(FILE + '[tax."*"]\nshipping = "standard"\nrates = { standard = "0" }\n'))
    assert rules.taxes(at("FR", "IDF")) == Taxes({"standard": 0}, "standard")
    assert isinstance(rules.taxes(at("US")), Reason)


@pytest.mark.parametrize(
    ("method", "country", "currency", "grams", "rate"),
    [
        ("post", "DE", "EUR", 0, ShippingRate(400, 5000)),
        ("post", "DE", "EUR", 1000, ShippingRate(400, 5000)),
        ("post", "DE", "EUR", 1001, ShippingRate(600, 5000)),
        ("post", "AT", "USD", 5000, ShippingRate(700, None)),
        ("post", "US", "USD", 10**9, ShippingRate(2000, None)),
        ("bike", "DE", "EUR", 2000, ShippingRate(900, None)),
    ],
)
def test_shipping_rates(rules: Rules, method: str, country: str, currency: str, grams: int, rate: ShippingRate) -> None:
    assert rules.shipping_rate(method, country, currency, grams) == rate


@pytest.mark.parametrize(
    ("method", "country", "currency", "grams", "reason"),
    [
        ("drone", "DE", "EUR", 0, "unknown"),
        ("bike", "AT", "EUR", 0, "not_to_country"),
        ("bike", "DE", "EUR", 2001, "too_heavy"),
        ("bike", "DE", "USD", 1, "not_in_currency"),
        ("post", "DE", "USD", 1, "not_in_currency"),
        ("post", "US", "EUR", 1, "not_in_currency"),
    ],
)
def test_no_shipping_rate(rules: Rules, method: str, country: str, currency: str, grams: int, reason: str) -> None:
    answer = rules.shipping_rate(method, country, currency, grams)
    assert code(answer) == (f"shipping_method_{reason}", "shipping_method")


def test_shipping_is_free_from_exactly_its_bound() -> None:
    assert [ShippingRate(400, 5000).charge(goods) for goods in (0, 4999, 5000, 5001)] == [400, 400, 0, 0]
    assert ShippingRate(400, None).charge(10**15) == 400


def test_the_methods_an_address_can_have(rules: Rules) -> None:
    assert rules.methods("DE", "EUR", 500) == ("post", "bike")
    assert rules.methods("DE", "EUR", 3000) == ("post",)
    assert rules.methods("AT", "EUR", 500) == ("post",)
    assert rules.methods("US", "EUR", 500) == ()


def test_whether_prices_include_tax(rules: Rules) -> None:
    assert rules.prices_include_tax("EUR") is True
    assert rules.prices_include_tax("USD") is False
    assert code(rules.prices_include_tax("JPY")) == ("currency_not_sold", "currency")


def test_the_shipped_rules_reach_every_country_they_tax() -> None:
    rules = load_rules(None)
    assert ELSEWHERE not in rules.tax
    for country, taxes in rules.tax.items():
        assert any(rules.methods(country, currency, 1000) for currency in rules.tax_included), country
        for region in taxes.regions or (None,):
            found = rules.taxes(at(country, region))
            assert isinstance(found, Taxes)
            assert {"standard", "reduced", "zero"} <= set(found.rates), (country, region)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"19"', '"19.00001"', "tax.DE.rates.standard: a rate is a percentage in quotes"),
        ('"19"', '"100.1"', "tax.DE.rates.standard: a rate is a percentage in quotes"),
        ('"19"', '"-1"', "tax.DE.rates.standard: a rate is a percentage in quotes"),
        ('"19"', "19.0", "tax.DE.rates.standard: a rate is a percentage in quotes"),
        ('"19"', '"NaN"', "tax.DE.rates.standard: a rate is a percentage in quotes"),
        ('"19"', '"1000"', "tax.DE.rates.standard: a rate is a percentage in quotes"),
        ("EUR = 400", "EUR = 4.0", "shipping.post.zones.0.bands.0.price.EUR: "),
        ("EUR = 400", "EUR = -1", "shipping.post.zones.0.bands.0.price.EUR: "),
        ("{ EUR = 400 }", "{}", "shipping.post.zones.0.bands.0.price: "),
        ("{ EUR = 400 }", "{ XXX = 400 }", "XXX is not a currency this shop knows"),
        ("up_to_grams = 1000", "up_to_grams = -1", "shipping.post.zones.0.bands.0.up_to_grams: "),
        ("[{ up_to_grams = 2000, price = { EUR = 900 } }]", "[]", "shipping.bike.zones.0.bands: "),
        ('["DE", "AT"]', "[]", "shipping.post.zones.0.countries: "),
        ("up_to_grams = 1000", "up_to_grams = 5000", "up_to_grams must rise from band to band"),
        ("up_to_grams = 1000, ", "", "up_to_grams must rise from band to band"),
        ('["DE", "AT"]', '["DE", "DE"]', "shipping.post: DE is in more than one place of the zones"),
        ('["DE", "AT"]', '["DE", "FR"]', "shipping.post goes to FR, missing in tax"),
        ('["DE", "AT"]', '["Germany"]', "shipping.post.zones.0.countries.0: "),
        ("USD = false\n", "", "shipping.post has prices in USD, missing in tax_included"),
        ("USD = false", 'USD = "no"', "tax_included.USD: "),
        ('standard = "20"', 'other = "20"', "tax.AT: shipping is in category standard, which has no rate there"),
        ('{ standard = "8.875", reduced = "4" }', "{}", "shipping of region NY is in category standard"),
        ('name = "Post"', 'name = "Post"\ncolour = "yellow"', "shipping.post.colour: "),
        ("[tax.AT]\nshipping", "[tax.AT]\nshiping", "tax.AT.shipping: Field required"),
        ("NY = { rates", "bavaria = { rates", "tax.US.regions.bavaria"),
    ],
)
def test_rules_that_cannot_be_used(write: Any, old: str, new: str, sentence: str) -> None:
    assert old in FILE
    path = write(FILE.replace(old, new, 1))
    with pytest.raises(RulesError) as refusal:
        load_rules(path)
    assert str(refusal.value).startswith(f"the rules in {path} are invalid: ")
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert ": : " not in str(refusal.value)


def test_rules_at_their_bounds(write: Any) -> None:
    rules = load_rules(write(FILE.replace('"19"', '"100"').replace("up_to_grams = 1000", "up_to_grams = 0")))
    assert rules.tax["DE"].rates["standard"] == WHOLE
    assert (rules.shipping_rate("post", "DE", "EUR", 0), rules.shipping_rate("post", "DE", "EUR", 1)) == (
        (400, 5000),
        (600, 5000),
    )


def test_only_the_last_band_may_be_without_bound(write: Any) -> None:
    rules = load_rules(write(FILE.replace("up_to_grams = 5000, ", "")))
    assert rules.shipping_rate("post", "DE", "EUR", 10**6) == (600, 5000)


ANYWHERE = FILE.replace('["DE", "AT"]', '["DE", "FR"]') + '[tax."*"]\nshipping = "standard"\nrates = { standard = "0" }\n'


def test_a_shop_that_taxes_every_other_country_ships_to_any(write: Any) -> None:
    rules = load_rules(write(ANYWHERE))
    assert rules.shipping_rate("post", "FR", "EUR", 1000) == (400, 5000)


def test_the_prices_of_every_zone_are_looked_at_also_where_all_countries_are_taxed(write: Any) -> None:
    last = 'countries = ["*"], bands = [{ price = { USD = 2000 } }]'
    assert last in ANYWHERE
    with pytest.raises(RulesError, match=r"shipping\.post has prices in SEK, missing in tax_included"):
        load_rules(write(ANYWHERE.replace(last, last.replace("USD", "SEK"))))


def test_a_country_may_have_rates_in_its_regions_only(write: Any) -> None:
    text = FILE.replace('rates = { zero = "0", reduced = "0" }\n', "").replace(
        '"7.25" } }', '"7.25" }, shipping = "standard" }'
    )
    text = text.replace('shipping = "zero"', 'shipping = "standard"')
    taxes = load_rules(write(text)).taxes(at("US", "CA"))
    assert isinstance(taxes, Taxes)
    assert dict(taxes.rates) == {"standard": 72_500}


def test_rules_without_any_entry(write: Any) -> None:
    with pytest.raises(RulesError, match=r"tax_included: .* shipping: .* tax: "):
        load_rules(write("tax_included = {}\nshipping = {}\ntax = {}"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"nowhere\.toml cannot be read: No such file"):
        load_rules(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("content", [b"[tax", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(content)
    with pytest.raises(RulesError, match=r"rules\.toml is not TOML: "):
        load_rules(path)
