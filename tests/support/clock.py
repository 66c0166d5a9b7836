"""A moment, where a test needs one and any will do."""

from datetime import UTC, datetime

NOW = datetime(2026, 1, 1, tzinfo=UTC)
