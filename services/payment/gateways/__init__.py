"""Payment gateways: the port the payment service talks to, and what may stand behind it. Only `http` and `ledger` do I/O."""
