"""``quadrille docs``: what is written from the code itself, and the check that no change breaks yesterday's readers."""
