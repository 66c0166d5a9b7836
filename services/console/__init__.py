"""The console: web pages that show the choreography, and what needs a person with the actions for it.

It owns no data: it reads the queries of the journal and of alerts, and the lag from the broker. Actions are sent as
commands on Kafka, as those of the command ``quadrille`` are.
"""
