"""Rules and dashboard ask only for metrics that the code exports."""

import importlib.metadata
import json
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from prometheus_client import REGISTRY, Metric

import cli.audit.metrics  # noqa: F401  (declared on import)
import services.alerts.notifier
import services.alerts.watchdog.metrics
import services.journal.metrics  # noqa: F401  (declared on import)
from services.alerts.model import ABOUT_MONEY
from services.alerts.watchdog.exporter import LagExporter
from services.payment.gateways.port import Answer, LookUp
from shared.lag.window import Window
from shared.progress import STEPS, Outcome
from shared.runtime.observability.metrics import label, tell_build

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
RULES = [rule for group in yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DEPLOY / "grafana/quadrille.json").read_text())
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
        "quadrille_checkout_seconds_bucket",
        "quadrille_build_info",
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


OF_ALL: Final = (
    "kafka_",
    "quadrille_alerts_open",
    "quadrille_checkouts_waiting",
    "quadrille_consumergroup_status",
    "quadrille_outbox_",
    "quadrille_partition_held_back",
    "quadrille_topic_refuses",
)
"""Each member of a service says the same of these: they are of the whole service, or of the whole cluster."""
ONCE: Final = re.compile(r"(max by \([^)]*\)|absent) ?\((rate\()?$")


def test_what_every_member_says_is_counted_once() -> None:
    asked = [rule["expr"] for rule in RULES] + list(expressions(DASHBOARD))
    found = 0
    for expression in asked:
        for name in asked_for(expression):
            if name.startswith(OF_ALL):
                for at in re.finditer(rf"\b{name}\b", expression):
                    found += 1
                    assert ONCE.search(expression[: at.start()]), expression
    assert found > 15


def test_labels_say_outcomes_and_requests_in_lower_case() -> None:
    assert [label(name) for name in ("Succeeded", "NotFound", "OffsetCommit")] == ["succeeded", "not_found", "offset_commit"]
    for expression in [rule["expr"] for rule in RULES] + list(expressions(DASHBOARD)):
        for said in re.findall(r'(?:outcome|request)[=~!]+"([^"]*)"', expression):
            assert said == said.lower(), expression


def test_what_rules_ask_of_outcomes_is_what_there_is_of_them() -> None:
    answers = {label(answer.__name__) for kind in (Answer, LookUp) for answer in get_args(kind)}
    (ratio,) = [rule["expr"] for rule in RULES if rule.get("record") == "quadrille:gateway_failures:ratio5m"]
    (said,) = re.findall(r'outcome=~"([^"]*)"', ratio)
    assert set(said.split("|")) < answers


def test_series_are_there_from_the_start_at_nought() -> None:
    for outcome in Outcome:
        assert REGISTRY.get_sample_value("quadrille_checkouts_total", {"outcome": outcome}) is not None
        assert REGISTRY.get_sample_value("quadrille_checkout_seconds_count", {"outcome": outcome}) is not None
    for step in STEPS:
        assert REGISTRY.get_sample_value("quadrille_step_seconds_count", {"step": step.name}) is not None
    for kind in ("void_failed", "refund_failed", "authorization_expiring", "stuck"):
        assert REGISTRY.get_sample_value("quadrille_alerts_open", {"kind": kind, "severity": "critical"}) is not None


def test_a_process_says_which_version_it_is() -> None:
    tell_build("cart")
    named = {"service": "cart", "version": importlib.metadata.version("quadrille"), "python": platform.python_version()}
    assert REGISTRY.get_sample_value("quadrille_build_info", named) == 1


def test_whatever_people_hear_of_first_is_money_that_is_stuck_to_prometheus_as_well() -> None:
    (rule,) = (rule for rule in RULES if rule.get("alert") == "QuadrilleMoneyStuck")
    assert re.findall(r'kind=~"([^"]*)"', rule["expr"]) == ["|".join(ABOUT_MONEY)]


def test_labels_never_carry_ids() -> None:
    allowed = {"service", "type", "stage", "reaction", "operation", "outcome", "step", "kind", "severity", "request", "le"}
    allowed |= {"target"}  # as many as the setting names
    allowed |= {"topic"}  # of the contract
    allowed |= {"version", "python"}  # of what runs
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
