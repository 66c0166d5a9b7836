"""Rules and dashboard ask only for metrics that the code exports."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import REGISTRY, Metric

import services.alerts.notifier
import services.alerts.watchdog.metrics  # noqa: F401  (declared on import)
from services.alerts.watchdog.exporter import LagExporter
from shared.lag.window import Window

OPS = Path(__file__).resolve().parents[3] / "ops"
RULES = [rule for group in yaml.safe_load((OPS / "prometheus/rules.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((OPS / "grafana/quadrille.json").read_text())
PROMETHEUS_OWN = {"up", "ALERTS"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "or", "and", "unless", "offset", "bool", "inf"}


def exported() -> dict[str, Metric]:
    """The families of all series the code can export, by the name of the series."""
    families = [*REGISTRY.collect(), *LagExporter(Window(1)).describe()]
    return {f"{family.name}{suffix}": family for family in families for suffix in SUFFIXES.get(family.type, ("",))}


def asked_for(expression: str) -> set[str]:
    """The names of the series in a PromQL expression."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"\b[a-zA-Z_][a-zA-Z0-9_:]*\b(?!\s*\()", bare)) - WORDS


def expressions(found: Any) -> Iterator[str]:
    """Every expression of the dashboard."""
    if isinstance(found, dict):
        if "expr" in found:
            yield found["expr"]
        for inner in found.values():
            yield from expressions(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from expressions(inner)


def test_names_are_found_in_expressions() -> None:
    expression = 'sum by (a, le) (rate(x_total{b="c_total"}[5m])) / on (a) y:z:sum * 2 > (0.3 or vector(0))'
    assert asked_for(expression) == {"x_total", "y:z:sum"}


def test_every_rule_asks_for_what_the_code_exports_or_another_rule_records() -> None:
    known = exported().keys() | {rule["record"] for rule in RULES if "record" in rule} | PROMETHEUS_OWN
    for rule in RULES:
        unknown = asked_for(rule["expr"]) - known
        assert not unknown, f"{rule.get('record') or rule['alert']} asks for {unknown}"


def test_the_dashboard_asks_for_what_the_code_exports_or_a_rule_records() -> None:
    known = exported().keys() | {rule["record"] for rule in RULES if "record" in rule} | PROMETHEUS_OWN
    asked = {name for expression in expressions(DASHBOARD) for name in asked_for(expression)}
    assert len(asked) > 20
    assert asked <= known, asked - known


def test_every_metric_of_the_issue_is_shown() -> None:
    recorded = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
    shown = {name for expression in expressions(DASHBOARD) for name in asked_for(expression)}
    shown |= {name for record in shown & recorded.keys() for name in asked_for(recorded[record])}
    for wanted in (
        "quadrille_checkouts_total",
        "quadrille_checkouts_waiting",
        "quadrille_step_seconds_bucket",
        "quadrille_outbox_depth",
        "quadrille_outbox_age_seconds",
        "quadrille_dead_letters_total",
        "quadrille_alerts_open",
        "quadrille_gateway_calls_total",
        "quadrille_batch_size_sum",
        "quadrille_statements_total",
        "kafka_consumergroup_lag_sum",
        "kafka_consumergroup_group_lag_seconds",
    ):
        assert wanted in shown, wanted


def test_labels_never_carry_ids() -> None:
    allowed = {"service", "type", "stage", "reaction", "operation", "outcome", "step", "kind", "severity", "request", "le"}
    allowed |= {"target"}  # as many as the setting names
    allowed |= {"topic"}  # of the contract
    for metric in vars(REGISTRY)["_names_to_collectors"].values():
        labels = set(getattr(metric, "_labelnames", ()))
        if getattr(metric, "_name", "").startswith("quadrille_"):
            assert labels <= allowed, metric


def test_the_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
