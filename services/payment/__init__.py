"""Payment: the money of every checkout, and the durable queue of calls to the gateway."""
