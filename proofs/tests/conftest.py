"""The tests of the proofs run as those of the product do."""

import tests.conftest  # noqa: F401  (settings from no file, patches of aiokafka, unhurried examples)
