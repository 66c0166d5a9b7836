"""Alerts and dead letters: what is known of each, and what people and programs ask of them.

``services/alerts`` keeps them; the command and the console look at them here.
"""
