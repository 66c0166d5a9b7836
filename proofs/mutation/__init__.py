"""Mutation testing of the rules: what survives a small change of the code is tested by nothing."""
