"""What this project needs changed in aiokafka, for the whole process: asked for by our own programs, never by an import.

A program of somebody else that imports the client keeps its aiokafka as it is.
"""

from shared.runtime.kafka.patches import batches, closing, connection, fetching


def install() -> None:
    """Have every Kafka client of this process read, close and connect in our way."""
    batches.install()
    closing.install()
    connection.install()
    fetching.install()
