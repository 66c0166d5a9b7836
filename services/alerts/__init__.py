"""Alerts: every dead letter becomes an alert that a person hears of, and stays until it is dealt with."""
