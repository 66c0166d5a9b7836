"""The journal: what happened to each cart, checkout, order and SKU, because of what, when, and by which service.

A read model of all topics with a database of its own. It answers for nothing: nobody waits for it, it emits nothing, and
it may be dropped and rebuilt from the topics. Of personal data it keeps none that can be left out (see ``essence``).
"""
