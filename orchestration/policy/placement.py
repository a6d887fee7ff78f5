"""Which waiting task runs next, on which node, with which model: the fleet in, a decision out.

The policy is "serve-out": tasks wait in Drover and leave only for a free slot of a model that is in a node's memory
(FILL, policy/filling.py); what is loaded where changes by few rules (PLACE and GO, policy/placing.py); everything has
a reason in words (policy/reasons.py).
"""

from orchestration.policy.books import Books
from orchestration.policy.decision import Decision
from orchestration.policy.filling import fill, fill_choosy
from orchestration.policy.fleet import FleetView
from orchestration.policy.placing import go, place
from orchestration.policy.preloading import preload
from orchestration.policy.reasons import explain


def decide(view: FleetView) -> Decision:
    """Grants as many slots as limits allow, commits nodes to loads, and says of each lane that still waits why."""
    books = Books(view)
    choosy = fill(books)
    preload(books, idle=not place(books))
    fill_choosy(books, choosy)
    go(books)
    explain(books)
    return books.decision
