"""Router ``by-length``: short questions go to models labelled ``fast``, all others to those labelled ``strong``.

What the team labels how is said in the model configurations. It counts what it decided, as every router may.
"""

from collections import Counter

from orchestration.extensions import RouteChoice, Router, RouteRequest

SHORT = 400


class ByLength(Router):
    def __init__(self) -> None:
        self.decided: Counter[str] = Counter()

    def route(self, request: RouteRequest) -> RouteChoice | None:
        label = "fast" if len(request.prompt) < SHORT else "strong"
        models = [model.name for model in request.models if label in model.labels]
        self.decided[label if models else "left to the rule"] += 1
        if not models:
            return None
        return RouteChoice(models=models, reason=f"{len(request.prompt)} characters: a {label} model")
