"""Atheris (libFuzzer for Python) against the decoder of records::

    python -m proofs.fuzz.decoder -max_total_time=600

It begins with every message of the contract, in both modes of CloudEvents, follows what reaches new code, and keeps it in
``.quadrille/fuzz/decoder`` for the next time. An input is a record as text: the topic, its headers by line, an empty line,
and the value. What fails is kept as a file ``crash-...``, and ``python -m proofs.fuzz.decoder FILE`` plays it again. More
options: https://llvm.org/docs/LibFuzzer.html
"""

import sys
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["shared.contract"]):
    from shared.contract.envelope import Record
    from shared.contract.registry import MESSAGES
    from shared.contract.topics import TOPICS

from tests.support.facts import a
from tests.unit.contract.records import binary, check, record, structured

CORPUS: Final = Path(".quadrille/fuzz/decoder")
LONGEST: Final = 4_096
"""Bytes of an input: what matters fits, and short ones are quick."""


def parse(data: bytes) -> Record:
    """The record in these bytes."""
    head, _, value = data.partition(b"\n\n")
    topic, *lines = head.split(b"\n")
    headers = []
    for line in lines:
        name, colon, text = line.partition(b":")
        headers.append((name.decode(errors="replace"), text if colon else None))
    key = next((text for name, text in headers if name == "key"), None)
    return record(topic.decode(errors="replace"), value, headers, key)


def text(given: Record) -> bytes:
    """The bytes of a record."""
    lines = [given.topic.encode(), b"key:" + (given.key or b"")]
    lines += [name.encode() + b":" + (value or b"") for name, value in given.headers]
    return b"\n".join(lines) + b"\n\n" + (given.value or b"")


def try_one(data: bytes) -> None:
    """Read it; anything but a message and the two refusals ends the run."""
    check(parse(data))


def write_corpus(folder: Path) -> None:
    """Every message of the contract, and a topic without any."""
    for name, kind in MESSAGES.items():
        for mode, write in (("binary", binary), ("structured", structured)):
            (folder / f"{name}.{mode}").write_bytes(text(write(a(kind))))
    for topic in TOPICS:
        (folder / topic).write_bytes(text(record(topic, b"{}")))


def main() -> None:
    """Fuzz until an option of libFuzzer says enough, or something is found."""
    arguments = sys.argv
    if not any(Path(argument).exists() for argument in sys.argv[1:]):
        CORPUS.mkdir(parents=True, exist_ok=True)
        write_corpus(CORPUS)
        arguments = [*sys.argv, f"-max_len={LONGEST}", str(CORPUS)]
    atheris.Setup(arguments, try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
