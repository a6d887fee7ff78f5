"""What kind of work a prompt asks for, found by a plain rule over its text: fences, syntax, verbs with their objects.

Words are matched whole and verbs where an order is given, never as parts of words: a barcode to be decoded is no code,
and a review to be written is no review of anything. A prompt may be of several kinds; the most telling comes first.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestration.policy.states import TaskType

LONG_TOKENS = 8_000
"""From here on a prompt is one for a model with a long context."""
HEAD_CHARS = 4_000
TAIL_CHARS = 2_000
"""So much is looked at of the beginning and of the end of a text."""


class Kind(StrEnum):
    """In the order in which they are tried."""

    EMBED = "embed"
    VISION = "vision"
    LONG_CONTEXT = "long_context"
    REVIEW = "review"
    DOCUMENTATION = "documentation"
    CODE = "code"
    TRANSLATION = "translation"
    SUMMARY = "summary"
    CHAT = "chat"
    GENERATE = "generate"


_ALIASES = {
    **dict.fromkeys(("coding", "coder", "programming"), Kind.CODE),
    **dict.fromkeys(("embedding", "embeddings"), Kind.EMBED),
    **dict.fromkeys(("image", "images"), Kind.VISION),
    **dict.fromkeys(("long", "longcontext"), Kind.LONG_CONTEXT),
    **dict.fromkeys(("docs", "doc", "documenting"), Kind.DOCUMENTATION),
    **dict.fromkeys(("code_review", "reviews", "reviewing"), Kind.REVIEW),
    **dict.fromkeys(("translate", "translations"), Kind.TRANSLATION),
    **dict.fromkeys(("summarize", "summarise", "summaries"), Kind.SUMMARY),
    **dict.fromkeys(("generation", "completion"), Kind.GENERATE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``because``: what in the prompt says so, in words."""

    kind: str
    because: str


def named(key: str) -> str:
    """The kind that a preference's key or a label means; other words mean themselves: custom task types have any."""
    word = re.sub(r"[\s-]+", "_", key.strip().lower())
    return str(_ALIASES.get(word, word))


def find(texts: Sequence[str], *, task_type: str, images: int = 0, tokens: int = 0) -> tuple[Found, ...]:
    """The kinds of a task, the most telling first; its type comes last. ``texts``: the prompt, or what the user said in
    a conversation, the latest last: the latest that says anything decides. ``tokens``: how long all of it is.
    """
    if task_type == TaskType.EMBED:
        return (Found(kind=Kind.EMBED, because="texts to embed"),)
    said = {Kind.VISION: ["an image" if images == 1 else f"{images} images"] if images else []}
    said[Kind.LONG_CONTEXT] = [f"about {tokens:,} tokens"] if tokens >= LONG_TOKENS else []
    said |= next((signs for text in reversed(texts) if any((signs := _signs(text)).values())), {})
    found = [Found(kind=kind, because=_listed(said[kind])) for kind in Kind if said.get(kind)]
    return (*found, Found(kind=task_type, because="its type"))


def _signs(text: str) -> dict[Kind, list[str]]:
    seen = text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    code = [*_fence(seen), *_order(_CODE_ORDERS, seen), *_matches(_SYNTAX, seen)]
    signs = {Kind.CODE: code[:2]}
    return signs | {kind: _order(orders, seen) for kind, orders in _ORDERS.items()}


def _listed(words: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(words))


_FENCE = re.compile(r"^ {0,3}(?:```+|~~~+)[ \t]*([\w+#.-]*)", re.MULTILINE)
_PROSE = frozenset({"text", "txt", "plain", "plaintext", "md", "markdown", "csv", "tsv", "quote"})


def _fence(text: str) -> list[str]:
    """The first that opens a block; those between close one or open the next."""
    tags = [match[1].lower() for match in _FENCE.finditer(text)][::2]
    tag = next((tag for tag in tags if tag not in _PROSE), None)
    return [] if tag is None else [f"a fenced block of {tag}" if tag else "a fenced block"]


_TAGS = "a|body|button|div|form|h[1-6]|head|html|img|input|li|main|nav|ol|p|script|section|span|style|table|td|tr|ul"
_SYNTAX = [
    (re.compile(pattern, re.MULTILINE), words)
    for pattern, words in (
        (r"\bdef\s+\w+\s*\([^)\n]{0,200}\)\s*(?:->[^:\n]{1,80})?:", "the definition of a function"),
        (r"^[ \t]*(?:export[ \t]+)?(?:async[ \t]+)?function\b[ \t]*\w*[ \t]*\(", "the definition of a function"),
        (r"\bfunction\s*\w*\s*\([^)\n]{0,200}\)\s*\{", "the definition of a function"),
        (r"^[ \t]*(?:pub[ \t]+)?fn[ \t]+\w+[ \t]*[(<]", "the definition of a function"),
        (r"^[ \t]*func[ \t]+(?:\([^)\n]{0,80}\)[ \t]*)?\w+[ \t]*\(", "the definition of a function"),
        (
            r"^[ \t]*(?:(?:export|public|abstract|final|sealed)[ \t]+)*class[ \t]+[A-Z]\w*[^\n.!?]{0,80}[:{][ \t]*$",
            "the definition of a class",
        ),
        (r"^[ \t]*from[ \t]+[\w.]+[ \t]+import[ \t]+[\w*(]", "an import"),
        (r"^[ \t]*import[ \t]+[\w.]+[ \t]+as[ \t]+\w+[ \t]*$", "an import"),
        (r"^[ \t]*import\b[^\n]{0,120}?\bfrom[ \t]+['\"]", "an import"),
        (r"^[ \t]*#[ \t]*include[ \t]*[<\"]", "an include"),
        (r"^[ \t]*(?:const|let|var)[ \t]+[\w{\[][^=\n]{0,80}=[ \t]*\S", "the declaration of a variable"),
        (r"^[ \t]*(?:public|private|protected)[ \t]+(?:static[ \t]+)?[\w<>\[\]]+[ \t]+\w+[ \t]*[(=;]", "a declaration"),
        (r"\)[ \t]*=>[ \t]*\S", "an arrow function"),
        (r"\bSELECT\s[^;]{1,300}?\sFROM\s+[\w.\"]+", "a query in SQL"),
        (r"\b(?:CREATE\s+TABLE|INSERT\s+INTO|ALTER\s+TABLE)\s+[\w.\"]+", "a query in SQL"),
        (rf"</?(?:{_TAGS})(?:[ \t][^<>\n]{{0,200}})?/?>", "tags of HTML"),
        (r"^Traceback \(most recent call last\):", "a traceback"),
        (r"^>>> \S", "lines of an interpreter"),
        (r"^[ \t]*[\w.]+\([^()\n]{0,200}\);[ \t]*$", "a statement"),
    )
]


def _matches(patterns: Iterable[tuple[re.Pattern[str], str]], text: str) -> list[str]:
    return [words for pattern, words in patterns if pattern.search(text)][:1]


_WITHIN = r"[^.!?\n]{0,100}?\b"
"""Between a verb and its object: the same sentence."""
_COMMAND = (
    r"(?:^|[.!?:;,)\]}][ \t]+|\b(?:please|and|then|to|you|also|help|me|us|let's|must|should|can|could|will|would|i|we|"
    r"now|first|kindly)[ \t]+)[\"'“*_#>-]{0,4}[ \t]{0,8}"
)
"""Where a verb gives an order: at the beginning of a sentence, or after a word such as "please"."""
_MAKE = (
    "write|rewrite|implement|create|build|generate|make|develop|fix|port|convert|optimi[sz]e|improve|complete|add|"
    "extend|test|simplify|translate|give me|show me|need|want"
)
_LOOK = "explain|review|check|find|analy[sz]e|describe|understand|comment|inspect|look at|run|read"
_NO_PROGRAM = [
    "access",
    "area",
    "building",
    "civil",
    "country",
    "coupon",
    "criminal",
    "discount",
    "dress",
    "ethical",
    "honor",
    "honour",
    "moral",
    "morse",
    "penal",
    "postal",
    "promo",
    "qr",
    "tax",
    "zip",
]
_CODE = (
    "".join(rf"(?<!\b{word} )" for word in _NO_PROGRAM)
    + r"code(?! of (?:conduct|ethics|honou?r|practice|silence|hammurabi)\b)"
)
_LANGUAGES = (
    r"(?:c\+\+|c#|css|django|golang|haskell|html|javascript|kotlin|node\.?js|numpy|php|powershell|regexe?s?|"
    r"regular expressions?|sql|typescript)(?!\w)"
)
_PART = "class|classes|code|component|decorator|function|functions|loop|method|module|program|script|snippet|tests?"
_ANY_LANGUAGE = r"(?:bash|c|go|java|python|react|ruby|rust|shell|swift)"
_IN_LANGUAGE = rf"in (?:python|rust|bash)\b|{_ANY_LANGUAGE} (?:{_PART})\b"
_CODE_ORDERS = [
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"\b(refactor|debug|reimplement|transpile)\b", "the verb “{}”"),
        *(
            (rf"\b({verbs})\b{_WITHIN}(?<!about )(?<!about the )({objects})", "“{} … {}”")
            for verbs, objects in (
                (f"{_MAKE}|{_LOOK}", rf"{_CODE}\b|{_LANGUAGES}|{_IN_LANGUAGE}"),
                (_MAKE, r"function(?! of\b)\b|unit tests?\b|(?:api|rest) endpoints?\b|stylesheets?\b|bugs?\b"),
                (r"write|implement|code|develop|optimi[sz]e", r"algorithms?\b|programs?\b"),
                ("write|create|need|want|make", r"script (?:that|to|which)\b"),
                (_LOOK, r"codebase\b|pull request\b|stack ?trace\b|traceback\b|source file\b"),
            )
        ),
    )
]
_ORDERS = {
    kind: [(re.compile(pattern, re.IGNORECASE | re.MULTILINE), words) for pattern, words in patterns]
    for kind, patterns in {
        Kind.REVIEW: (
            (rf"{_COMMAND}(review|critique|proofread|audit)\b", "the verb “{}”"),
            (
                rf"{_COMMAND}(find|check|look|search)\b{_WITHIN}(vulnerabilit(?:y|ies)|mistakes|typos)\b",
                "“{} … {}”",
            ),
        ),
        Kind.DOCUMENTATION: (
            (rf"{_COMMAND}(document)\b(?! that\b)", "the verb “{}”"),
            (
                rf"{_COMMAND}(write|add|create|generate|improve|update|draft)\b{_WITHIN}"
                r"(documentation|docs|docstrings?|readme|changelog|api reference|user guide|user manual)\b",
                "“{} … {}”",
            ),
        ),
        Kind.TRANSLATION: ((rf"{_COMMAND}(translate|localize|localise)\b", "the verb “{}”"),),
        Kind.SUMMARY: (
            (rf"{_COMMAND}(summari[sz]e|condense)\b", "the verb “{}”"),
            (rf"{_COMMAND}(write|give|create|draft)\b{_WITHIN}(summary)\b", "“{} … {}”"),
            (r"(?:^|[ \t])(tl;dr)\b", "“{}”"),
        ),
    }.items()
}


def _order(orders: Iterable[tuple[re.Pattern[str], str]], text: str) -> list[str]:
    """The first of the orders that the text gives, in its own words."""
    for pattern, words in orders:
        if match := pattern.search(text):
            return [words.format(*(" ".join(group.lower().split()) for group in match.groups() if group))]
    return []
