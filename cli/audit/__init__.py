"""Checks the invariants on a live system: databases against each other and against the gateway."""

from cli.audit.invariants import Report, Violation, audit
from cli.audit.money import audit_money

__all__ = ["Report", "Violation", "audit", "audit_money"]
