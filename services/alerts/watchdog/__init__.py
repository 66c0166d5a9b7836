"""The watchdog: opens one alert for each lasting condition without a dead letter, and closes it when the condition ends."""
