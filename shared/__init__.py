"""What the services share: the contract between them, the runtime they stand on, money, settings, telemetry."""
