"""The console: the choreography in a browser, and what needs a person with what can be done about it.

It owns nothing: it reads what the journal and alerts offer to be read and looks at the broker. What is decided on its
pages travels as commands on Kafka, as it does from the command ``quadrille``.
"""
