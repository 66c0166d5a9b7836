"""``python -m services.inventory``"""

from services.inventory import migrations
from services.inventory.model import Policy
from services.inventory.reactions import reactions
from services.inventory.tables import STORES
from shared.runtime.definition import Definition
from shared.runtime.main import main
from shared.settings import Settings


def define(settings: Settings) -> Definition:
    """Inventory, as the settings want it."""
    policy = Policy(settings.reservation_seconds, settings.extension_seconds, settings.retry_hold_seconds)
    return Definition(reactions, STORES, {Policy: policy})


if __name__ == "__main__":
    main(define, migrations)
