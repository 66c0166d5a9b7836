"""Alerts: stores dead letters, opens alerts, notifies people, and redrives or closes what they decide."""
