"""The watchdog: sees what no dead letter tells of, opens one alert for it, and closes it when it is over."""
