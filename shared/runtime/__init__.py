"""The exact runtime: it makes a batch of pure reactions one commit (see the architecture's second idea)."""
