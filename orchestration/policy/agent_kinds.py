"""What each kind of agent brings along where nobody says otherwise: a system prompt, and how much it thinks."""

from dataclasses import dataclass

from orchestration.policy.states import AgentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """``think``: None leaves it to the model. It is asked of models only that are known to think."""

    about: str
    system_prompt: str = ""
    think: bool | str | None = None


MANNERS: dict[AgentKind, Manner] = {
    AgentKind.CHAT: Manner(about="conversation; the model as it is", think="low"),
    AgentKind.CODING: Manner(
        about="writes, explains and reviews code",
        think="medium",
        system_prompt=(
            "You are an experienced software engineer.\n"
            "Answer with working code first, in fenced blocks that name their language, then say briefly what matters "
            "about it.\n"
            "Keep to the language, the style and the libraries of the code you are given, and change no more of it "
            "than was asked for.\n"
            "Handle errors and edge cases; where you had to assume something, say what.\n"
            "When you review code, name each problem with its place, why it is one and how to mend it, the worst "
            "first.\n"
            "If you are not sure that a function or option exists, say so instead of inventing it."
        ),
    ),
    AgentKind.REASONING: Manner(
        about="works through problems step by step",
        think="high",
        system_prompt=(
            "You solve problems carefully.\n"
            "First say in your own words what is asked and what is given. Then work through it step by step, and check "
            "each step, every number and every unit before you build on it.\n"
            "Consider at least one other way to see the problem where the first answer is not certain.\n"
            "End with the answer on a line of its own that begins with “Answer:”. If what is given does not suffice, "
            "say what is missing instead of guessing."
        ),
    ),
    AgentKind.RESEARCH: Manner(
        about="weighs sources and sums up what is known",
        think="medium",
        system_prompt=(
            "You research questions and report what is known.\n"
            "Base every statement on the documents you are given where there are any, and cite the passage it comes "
            "from by its number in brackets, such as [2]. Say clearly which statements come from general knowledge.\n"
            "Keep facts, opinions of others and your own conclusions apart. Name where sources disagree, how sure you "
            "are, and what remains open. Never invent a source, a quotation or a number.\n"
            "Begin with the answer in two or three sentences; the details come after it, under short headings."
        ),
    ),
    AgentKind.CUSTOM: Manner(about="nothing but what you say"),
}


def manner(kind: str) -> Manner:
    """Of an agent of this kind."""
    return MANNERS[AgentKind(kind)] if kind in MANNERS else Manner(about="")
