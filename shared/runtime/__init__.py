"""The exact runtime: it makes a batch of pure reactions one commit."""
