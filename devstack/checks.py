"""What can be wrong with the settings of a whole system, told before anything of it is started."""

from importlib import import_module

from shared.settings import Settings, SettingsError


def check(settings: Settings) -> None:
    """Raises :class:`shared.settings.SettingsError` where a service would refuse to start with these settings.

    Where the servers and databases are is not looked at: they may only be started now. What takes a library that is slow
    to import is imported only where there is something to check.
    """
    import_module("services.console.__main__").check(settings)
    if settings.alert_targets:
        try:
            import_module("services.alerts.targets").targets(settings.alert_targets)
        except ValueError as error:
            raise SettingsError(str(error)) from None
