"""Quadrille on one machine: real PostgreSQL and Kafka on a machine that has only Python, a sandbox gateway, a demo."""
