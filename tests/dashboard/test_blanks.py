"""Empty rows have the shape of real ones, so that one template draws both."""

from dashboard import blanks
from orchestration.payloads import ModelLoad, NodeLoad, TaskRow


def test_an_empty_row_has_every_field_of_a_real_one():
    assert set(blanks.task_row()) == set(TaskRow.__annotations__)
    assert set(blanks.model_load()) == set(ModelLoad.__annotations__)
    assert set(blanks.node_load()) == set(NodeLoad.__annotations__)
