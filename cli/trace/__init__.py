"""``quadrille trace``: the story of anything, and where it stands."""
