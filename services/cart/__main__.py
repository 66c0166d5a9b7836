"""``python -m services.cart``"""

from services.cart import migrations
from services.cart.model import Policy
from services.cart.reactions import reactions
from services.cart.tables import STORES
from shared.runtime.definition import Definition
from shared.runtime.main import main
from shared.settings import Settings


def define(settings: Settings) -> Definition:
    """Cart, as the settings want it."""
    return Definition(reactions, STORES, {Policy: Policy(settings.session_seconds)})


if __name__ == "__main__":
    main(define, migrations)
