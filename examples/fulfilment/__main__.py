"""``python -m examples.fulfilment``"""

from examples.fulfilment import migrations
from examples.fulfilment.reactions import reactions
from examples.fulfilment.tables import STORES
from shared.runtime.definition import Definition
from shared.runtime.main import main
from shared.settings import Settings


def define(settings: Settings) -> Definition:
    """Fulfilment, whatever the settings are."""
    return Definition(reactions, STORES)


if __name__ == "__main__":
    main(define, migrations)
