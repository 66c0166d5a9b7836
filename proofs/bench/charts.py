"""The samples of an endurance run as charts, in Mermaid: text that a browser draws where the documents are read."""

from collections.abc import Mapping, Sequence
from typing import Final

from proofs.bench.samples import Sample

POINTS: Final = 60
"""A chart has at most so many points a line; of longer runs every second, third ... minute is drawn."""


def charts(samples: Sequence[Sample]) -> str:
    """Latency, memory, messages remembered and lag over the minutes, each a chart."""
    some = samples[:: -(-len(samples) // POINTS)]
    names = sorted({name for sample in some for name in sample.memory} - {"bench"})
    return "\n".join(
        (
            _chart(
                "Latency of a checkout: p50 and p99", "ms", some, {"p50": [s.p50 for s in some], "p99": [s.p99 for s in some]}
            ),
            _chart("Memory of each process", "MB", some, {name: [s.memory[name] for s in some] for name in names}),
            _chart("Messages each service remembers", "rows", some, {n: [s.inbox[n] for s in some] for n in some[0].inbox}),
            _chart("Lag of all groups together", "records", some, {"lag": [sum(s.lag.values()) for s in some]}),
        )
    )


def _chart(title: str, unit: str, samples: Sequence[Sample], lines: Mapping[str, Sequence[float]]) -> str:
    highest = max(1.0, *(value for line in lines.values() for value in line))
    drawn = "\n".join(f"    line [{', '.join(f'{value:.0f}' for value in line)}]" for line in lines.values())
    return (
        "```mermaid\nxychart-beta\n"
        f'    title "{title}"\n'
        f'    x-axis "minutes" {samples[0].minute:.0f} --> {samples[-1].minute:.0f}\n'
        f'    y-axis "{unit}" 0 --> {1.1 * highest:.0f}\n'
        f"{drawn}\n```\n\nLines: {', '.join(lines)}.\n"
    )
