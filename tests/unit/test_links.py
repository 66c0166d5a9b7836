"""Every link between documents leads somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)")


def test_every_link_of_a_document_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(page, found) for page in pages for found in LINK.findall(page.read_text())]
    assert len(links) > 20
    assert [f"{page}: {found}" for page, found in links if not (page.parent / found).exists()] == []
