"""Measures the lag of consumer groups, on any cluster that the settings name."""
