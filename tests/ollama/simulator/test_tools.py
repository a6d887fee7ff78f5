"""Which tool is called, with what."""

import re
from random import Random

import pytest

from orchestration.ollama.simulator.tools import tool_calls, wants_tool


def tool(name, description, **properties):
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    tool("get_weather", "Weather of a city", city={"type": "string"}, unit={"enum": ["C", "F"]}),
    tool("convert_money", "Convert an amount between currencies", amount={"type": "number"}, times={"type": "integer"}),
]


def call(prompt, shape="rendered"):
    return tool_calls(TOOLS, prompt, shape, Random(1))[0]


def test_the_tool_that_shares_words_with_the_prompt_is_called():
    assert call("What is the weather in Oslo?")["function"]["name"] == "get_weather"
    assert call("Convert 20 dollars")["function"]["name"] == "convert_money"


def test_arguments_come_from_the_prompt_and_fit_their_types():
    weather = call("Is the weather good in New York?")["function"]["arguments"]
    assert weather["city"] == "New York"
    assert weather["unit"] in ("C", "F")
    assert call("Convert 20.5 and 3 times")["function"]["arguments"] == {"amount": 20.5, "times": 3}


@pytest.mark.parametrize(("shape", "pattern"), [("rendered", r"call_[a-z0-9]{8}"), ("native", r"[A-Za-z0-9]{32}")])
def test_ids_have_the_shape_of_their_path(shape, pattern):
    assert re.fullmatch(pattern, call("weather", shape)["id"])


def test_only_what_a_person_says_leads_to_a_call():
    assert wants_tool(TOOLS, [{"role": "user"}])
    assert not wants_tool(TOOLS, [{"role": "user"}, {"role": "tool"}])
    assert not wants_tool([], [{"role": "user"}])
