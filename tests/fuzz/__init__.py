"""Coverage-guided fuzzing, to be left running: ``python -m tests.fuzz.decoder``."""
