"""Coverage-guided fuzzing, to be left running: ``python -m proofs.fuzz.decoder``."""
