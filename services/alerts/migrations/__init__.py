"""The versions of alerts' database."""
