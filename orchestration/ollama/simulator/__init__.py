"""A faithful Ollama server without models, for demos, tests and benchmarks.

``async with SimulatedNode(NodeSpec(...)) as node`` where there is an event loop, ``run_in_thread([...])`` where there
is none, ``python -m orchestration.ollama.simulator`` for a process of its own.
"""

from .catalogue import CATALOGUE, demo_nodes
from .faults import Fault
from .node import SimulatedNode, introduce
from .specs import ModelSpec, NodeSpec
from .threads import Herd, NodeHandle, run_in_thread

__all__ = [
    "CATALOGUE",
    "Fault",
    "Herd",
    "ModelSpec",
    "NodeHandle",
    "NodeSpec",
    "SimulatedNode",
    "demo_nodes",
    "introduce",
    "run_in_thread",
]
