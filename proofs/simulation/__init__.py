"""The whole choreography in one process: the real reactions in a simulated world whose every accident a seed decides.

Topics with partitions, consumer groups with members, a database for each service, and a payment gateway with a
ledger, all under the rules of :mod:`shared.runtime` and with one clock. What the world may do wrong is in
:mod:`proofs.simulation.faults`; what must hold in spite of it, in :mod:`simulation.invariants`.
"""
