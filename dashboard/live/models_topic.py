"""The topic of the fleet's models: what is where, live, cell by cell."""

from dashboard.live.hub import Event
from dashboard.live.topics import Parts, Refreshed
from orchestration import queries
from orchestration.policy.errands import is_errand
from orchestration.queries.matrix import matrix


class Models(Refreshed):
    """What is known of models, and the cells of the matrix, of which those that changed are sent."""

    kinds = frozenset({"node", "model", "pull", "plans", "tasks", "load"})

    @staticmethod
    def look() -> Parts:
        drawn = matrix()
        cells = [cell for row in drawn["rows"] for cell in row["cells"] if cell["state"] != "absent" or cell["errand"]]
        shape = {"nodes": drawn["nodes"], "models": queries.known_models(), "there": [cell["key"] for cell in cells]}
        return {**shape, **{f"cell:{cell['key']}": cell for cell in cells}}

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.kind == "task" and is_errand(event.data["type"]):
            self.refresher.want(event.seq)
        elif event.kind == "progress" and (rows := [row for row in event.data["rows"] if row[0] in self._pulled]):
            self.port.add(event.seq, {"progress": rows})

    @property
    def _pulled(self) -> set[int]:
        cells = [part for name, part in self.refresher.latest.items() if name.startswith("cell:") and part["errand"]]
        return {cell["errand"]["task_id"] for cell in cells}
