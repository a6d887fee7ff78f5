"""Readable answers out of a small grammar: Markdown about the words of the prompt, the same for the same seed."""

import re
from collections.abc import Callable, Iterator
from random import Random

TOKEN = re.compile(r"\n+| ?[^\W\d_]{1,9}| ?\d{1,3}| ?[^\w\s]+|.", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{4,}")
_CODE_WORDS = re.compile(
    r"\b(code|function|class|python|script|program|implement|refactor|debug|sql|regex|unit test|compile|javascript"
    r"|typescript|rust|bash|algorithm|def|import|return)\b",
    re.IGNORECASE,
)
_DULL_WORDS = (
    "about after again also answer because been before being could does done each explain every from give have here"
    " into just know like list make many more most much must need only other over please question should show some"
    " such tell than that their them then there these they this those three very want were what when where which while"
    " will with without words work would write your yours you"
)
_DULL = frozenset(_DULL_WORDS.split())
_FALLBACK = ("plan", "team", "result", "question", "example")

_OPENERS = (
    "Good question about {a}.",
    "Here is a short overview of {a}.",
    "Let us look at {a} step by step.",
    "In brief: {a} depends mostly on {b}.",
    "There are two sides to {a}.",
)
_SENTENCES = (
    "{A} works best when {b} is kept {adj}.",
    "In practice, {a} and {b} {verb} each other more than people expect.",
    "A {adj} {b} makes {a} easier to {act}.",
    "Most teams {act} {a} first and think about {b} later.",
    "If {b} is {adj}, then {a} tends to be {adj2} as well.",
    "It helps to {act} the {b} before touching {a}.",
    "The {adj} part of {a} is usually the {b}.",
    "Without a {adj} {b}, {a} becomes {adj2} over time.",
    "You can {act} {a} in small steps and measure {b} after each of them.",
    "Nothing about {a} has to be {adj}; a {adj2} start is enough.",
)
_POINTS = (
    "**{A}**: {act} it while it is {adj}.",
    "Keep {b} {adj}.",
    "{Act} the {a} once a week.",
    "Ask who owns {a} and who only uses {b}.",
    "Write down what {adj} means for {b}.",
    "Prefer a {adj} {a} over a {adj2} one.",
)
_HEADINGS = ("Why {a} matters", "How {a} and {b} fit together", "What to do next", "A closer look at {a}")
_CLOSERS = (
    "Would you like an example with {a}?",
    "In short: start with {a}, then improve {b}.",
    "That should be enough to {act} {a} with confidence.",
)
_ADJECTIVES = ("simple", "steady", "visible", "small", "careful", "shared", "quiet", "precise", "flexible", "reliable")
_VERBS = ("support", "shape", "limit", "explain", "balance", "follow")
_ACTIONS = ("review", "measure", "simplify", "describe", "test", "plan", "sort", "protect", "repeat", "compare")
_THOUGHTS = (
    "The user asks about {a}.",
    "I should keep {b} in mind.",
    "First I check what {a} means here.",
    "Perhaps an example with {b} helps.",
    "It could be {adj}, but it could also be {adj2}.",
    "I will {act} {a} and then answer.",
    "Wait, {b} might be the more important part.",
    "So the answer should be {adj}.",
)


def tokens_of(text: str) -> list[str]:
    return TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """A cheap estimate for prompts: four characters a token."""
    return (len(text) + 3) // 4


def topics_of(prompt: str) -> list[str]:
    words = dict.fromkeys(word.lower() for word in _WORD.findall(prompt[-4000:]))
    topics = [word for word in words if word not in _DULL and word not in _ACTIONS]
    return topics[:12] if len(topics) > 1 else [*topics, *_FALLBACK]


def asks_for_code(prompt: str) -> bool:
    return _CODE_WORDS.search(prompt[-4000:]) is not None


class Writer:
    """Writes like one model: its name decides on bullets, headings and how long the paragraphs are."""

    def __init__(self, model: str, prompt: str, random: Random) -> None:
        manner = Random(f"manner of {model}")
        self._bullet = manner.choice(("-", "*", "1."))
        self._heading = manner.choice(("##", "###"))
        self._sentences = manner.randint(2, 5)
        self._greets = manner.random() < 0.6
        self._random = random
        self._topics = topics_of(prompt)
        self._codes = asks_for_code(prompt)

    def markdown(self) -> Iterator[str]:
        """Blocks without end; whoever reads decides where the answer stops."""
        if self._greets:
            yield self._filled(_OPENERS)
        if self._codes:
            yield self._code()
        yield self._paragraph()
        blocks = (self._paragraph, self._paragraph, self._section, self._list, self._now_and_then_code)
        while True:
            yield self._random.choice(blocks)()

    def closing(self) -> str:
        return self._filled(_CLOSERS)

    def thoughts(self, length: int) -> str:
        sentences: list[str] = []
        size = 0
        while size < length:
            sentences.append(self._filled(_THOUGHTS))
            size += len(tokens_of(sentences[-1]))
        return " ".join(sentences)

    def _filled(self, patterns: tuple[str, ...]) -> str:
        choose = self._random.choice
        first, second = self._random.sample(self._topics, 2)
        action = choose(_ACTIONS)
        return choose(patterns).format(
            a=first,
            A=first.capitalize(),
            b=second,
            adj=choose(_ADJECTIVES),
            adj2=choose(_ADJECTIVES),
            verb=choose(_VERBS),
            act=action,
            Act=action.capitalize(),
        )

    def _paragraph(self) -> str:
        count = max(1, self._sentences + self._random.randint(-1, 1))
        return " ".join(self._filled(_SENTENCES) for _ in range(count))

    def _section(self) -> str:
        return f"{self._heading} {self._filled(_HEADINGS)}\n\n{self._paragraph()}"

    def _list(self) -> str:
        count = self._random.randint(3, 5)
        marks = [f"{number}." for number in range(1, count + 1)] if self._bullet == "1." else [self._bullet] * count
        return "\n".join(f"{mark} {self._filled(_POINTS)}" for mark in marks)

    def _now_and_then_code(self) -> str:
        return self._code() if self._codes and self._random.random() < 0.5 else self._list()

    def _code(self) -> str:
        name = _identifier(self._random.choice(self._topics))
        thing = _identifier(self._random.choice(self._topics))
        snippet = self._random.choice(_SNIPPETS)
        return f"```python\n{snippet(name, thing, self._random.randint(2, 9))}\n```"


def _identifier(word: str) -> str:
    plain = re.sub(r"[^a-z]", "", word.lower())
    return plain or "item"


def _filter_snippet(name: str, thing: str, number: int) -> str:
    return (
        f"def select_{name}(items: list[int], limit: int = {number}) -> list[int]:\n"
        f'    """Keep every {thing} up to the limit."""\n'
        f"    return [item for item in items if item <= limit]\n\n\n"
        f"print(select_{name}([1, {number}, {number + 3}]))"
    )


def _class_snippet(name: str, thing: str, number: int) -> str:
    return (
        f"class {name.capitalize()}:\n"
        f"    def __init__(self, {thing}: int = {number}) -> None:\n"
        f"        self.{thing} = {thing}\n\n"
        f"    def grow(self) -> int:\n"
        f"        self.{thing} += 1\n"
        f"        return self.{thing}"
    )


def _count_snippet(name: str, thing: str, number: int) -> str:
    return (
        f"from collections import Counter\n\n\n"
        f"def most_common_{name}({thing}s: list[str]) -> list[tuple[str, int]]:\n"
        f"    counts = Counter({thing}s)\n"
        f"    return counts.most_common({number})"
    )


_SNIPPETS: tuple[Callable[[str, str, int], str], ...] = (_filter_snippet, _class_snippet, _count_snippet)


def write_tokens(writer: Writer, length: int, *, closes: bool) -> list[str]:
    """About ``length`` tokens that end with a closing sentence, or exactly so many, cut wherever that is."""
    tokens: list[str] = []
    for block in writer.markdown():
        tokens += tokens_of(block if not tokens else f"\n\n{block}")
        if len(tokens) >= length:
            break
    return [*tokens, *tokens_of(f"\n\n{writer.closing()}")] if closes else tokens[:length]
