"""What the guides promise to be complete in is complete, and what they link to is there."""

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

from services.alerts.model import runbook
from shared.contract.services import SERVICES
from shared.contract.topics import topics_of
from shared.runtime.definition import Definition
from tests.support.access import granted
from tests.support.snippets import ROOT, documents
from tests.support.solo import Solo

EXTEND: Final = (ROOT / "docs/extend.md").read_text()
INTEGRATE: Final = (ROOT / "docs/integrate.md").read_text()
LINK: Final = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]+))?\)")
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
KIND: Final = re.compile(r'(?:\bkind=|^[A-Z_]+: Final = )"([a-z_]+)"', re.MULTILINE)
PREFIXES: Final = {"group", "service", "outage", "outbox", "alert_target", "watchdog", "paid_in_cash"}
"""Of the constants beside the kinds: names of conditions whose alerts have longer names, and what is no kind at all."""
CODE: Final = re.compile(r'(?:\bcode=|_reason\()"([a-z_]+)"')
PATH: Final = re.compile(r"`((?:cli|deploy|devstack|docs|examples|proofs|services|shared|tests)/[\w./-]+)`")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_link_leads_somewhere() -> None:
    links = [(page, *found) for page in documents() for found in LINK.findall(page.read_text())]
    assert len(links) > 20
    assert [f"{page}: {path}" for page, path, _ in links if not (page.parent / path).exists()] == []
    anchored = [(page, page.parent / path if path else page, anchor) for page, path, anchor in links if anchor]
    assert [f"{page}: {anchor}" for page, target, anchor in anchored if anchor not in anchors(target)] == []


def test_every_file_that_is_named_is_there() -> None:
    named = {path for page in (ROOT / "docs").rglob("*.md") for path in PATH.findall(page.read_text())}
    assert [path for path in sorted(named) if not (ROOT / path).exists() and "shipping" not in path] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_rights_it_needs(service: str) -> None:
    access, reads = granted(service), Definition(Solo(service).reactions, ()).topics
    assert access.reads >= set(reads)
    assert access.writes == {topic.name for topic in topics_of(service, ())}


def test_the_edits_of_a_new_service_are_counted_and_their_places_are_there() -> None:
    section = EXTEND.split("## Add a service")[1]
    least, most = re.search(r"(\d+) edits outside of its folder, (\d+) at most", section).groups()  # type: ignore[union-attr]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section.split("at most:")[1], re.MULTILINE)
    assert (int(least), int(most)) == (sum(not edit.startswith("if ") for _, edit in rows), len(rows))
    assert [path for path, _ in rows if not (ROOT / path.replace("shipping", "order")).exists()] == []


def kinds() -> set[str]:
    """Every kind of alert that alerts can open."""
    sources = [
        ROOT / "services/alerts" / name
        for name in ("failures.py", "watchdog/checkout_alerts.py", "watchdog/condition_alerts.py")
    ]
    found = {kind for path in sources for kind in KIND.findall(path.read_text())}
    return found - PREFIXES | {"group_stall", "group_stop", "void_failed", "refund_failed", "unhandled"}


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_of_alert_has_a_runbook(kind: str) -> None:
    page, _, anchor = runbook(kind).partition("#")
    assert anchor in anchors(ROOT / page)


def test_every_rule_of_prometheus_links_to_a_runbook() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    links = [rule["annotations"]["runbook"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    known = anchors(ROOT / "docs/operate.md") | {"{{ $labels.kind }}", "group_{{ $labels.status | toLower }}"}
    assert [link for link in links if link.removeprefix(runbook("")) not in known] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_reason_is_explained(service: str) -> None:
    paths = [path for path in (ROOT / "services" / service).rglob("*.py") if "gateways" not in path.parts]
    codes = {code for path in paths for code in CODE.findall(path.read_text())}
    assert codes
    assert [code for code in sorted(codes) if f"{code}`" not in INTEGRATE] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
