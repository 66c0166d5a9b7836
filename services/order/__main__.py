"""``python -m services.order``"""

from services.order import migrations
from services.order.reactions import reactions
from services.order.rules import Rules, RulesError, load_rules
from services.order.tables import NUMBERS, STORES
from shared.runtime.definition import Definition
from shared.runtime.main import main
from shared.settings import Settings, SettingsError


def define(settings: Settings) -> Definition:
    """Order, as the settings and the shop's rules want it. Raises :class:`SettingsError` where the rules are not sound."""
    try:
        return Definition(reactions, (*STORES, NUMBERS), {Rules: load_rules(settings.rules_file)})
    except RulesError as error:
        raise SettingsError(str(error)) from None


if __name__ == "__main__":
    main(define, migrations)
