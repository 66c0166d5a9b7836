"""The metrics of every service. Labels never carry ids."""

from prometheus_client import Counter, Gauge, Histogram

handled = Counter("quadrille_messages_handled_total", "Messages handled, by type", ["service", "type"])
emitted = Counter("quadrille_messages_emitted_total", "Messages committed to the outbox, by type", ["service", "type"])
dead_letters = Counter("quadrille_dead_letters_total", "Dead letters committed", ["service", "stage"])
published = Counter("quadrille_records_published_total", "Records the broker acknowledged", ["service"])
relay_failures = Counter("quadrille_relay_failures_total", "Failed attempts to publish", ["service"])
batch_size = Histogram(
    "quadrille_batch_size", "Inputs of one commit", ["service"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
batch_seconds = Histogram(
    "quadrille_batch_seconds",
    "Seconds from the first statement to the commit",
    ["service"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
statements = Counter("quadrille_statements_total", "Statements sent to the database")
kafka_requests = Counter("quadrille_kafka_requests_total", "Requests sent to the broker, by kind", ["request"])
lanes = Gauge("quadrille_lanes_owned", "Partitions this member owns", ["service"])
gateway_calls = Counter("quadrille_gateway_calls_total", "Calls to the payment gateway", ["operation", "outcome"])
gateway_seconds = Histogram("quadrille_gateway_seconds", "Seconds of a call to the payment gateway", ["operation"])
