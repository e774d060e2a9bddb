"""Finding nodes by words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .values import NodeSpec

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FUZZY = 0.72
"""Least similarity of a misspelt name; lower finds other words, not other spellings."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a node is found by, lower case."""

    spec: NodeSpec
    names: tuple[str, ...]
    name_words: frozenset[str]
    aliases: tuple[str, ...]
    alias_words: frozenset[str]
    category: str
    description: str

    @classmethod
    def of(cls, spec: NodeSpec) -> Words:
        """Take the words out of *spec*."""
        names = (spec.name, spec.display_name)
        aliases = tuple(alias.casefold() for alias in spec.search_aliases)
        return cls(
            spec=spec,
            names=tuple(name.casefold() for name in names),
            name_words=frozenset(_words(*names)),
            aliases=aliases,
            alias_words=frozenset(_words(*spec.search_aliases)),
            category=spec.category.casefold(),
            description=spec.description.casefold(),
        )


def _words(*texts: str) -> set[str]:
    found: set[str] = set()
    for text in texts:
        for word in _WORD.findall(text):
            found.add(word.casefold())
            found.update(part.casefold() for part in _CAMEL.split(word))
    return found


def search(index: Sequence[Words], query: str) -> list[NodeSpec]:
    """Give the nodes that *query* finds, the best first.

    The query as a whole: the name, a name's beginning. Then each of its words must be found, and the worst
    place decides: a word of the name, an alias, a word's beginning, anywhere in a name, in an alias, the
    category, the description. Where nothing has all words, names spelt similarly are given.
    """
    query = " ".join(query.casefold().split())
    tokens = query.split()
    ranked: list[tuple[int, bool, int, str, NodeSpec]] = []
    for words in index:
        score = _score(words, query, tokens)
        if score is not None:
            spec = words.spec
            ranked.append((score, spec.flags.deprecated, len(spec.display_name), spec.name, spec))
    if not ranked:
        return _similar(index, query)
    return [row[-1] for row in sorted(ranked, key=lambda row: row[:-1])]


def _score(words: Words, query: str, tokens: list[str]) -> int | None:
    if query in words.names:
        return 0
    if any(name.startswith(query) for name in words.names):
        return 1
    if query in words.aliases:
        return 3
    places = [_place(words, token) for token in tokens]
    if None in places:
        return None
    return max((place for place in places if place is not None), default=None)


def _place(words: Words, token: str) -> int | None:  # noqa: PLR0911 - a table, read downwards
    if token in words.name_words:
        return 2
    if token in words.alias_words:
        return 4
    if any(word.startswith(token) for word in words.name_words):
        return 5
    if any(token in name for name in words.names):
        return 6
    if any(token in alias for alias in words.aliases):
        return 7
    if token in words.category:
        return 8
    return 9 if token in words.description else None


def _similar(index: Iterable[Words], query: str) -> list[NodeSpec]:
    found: list[tuple[float, str, NodeSpec]] = []
    matcher = difflib.SequenceMatcher(b=query, autojunk=False)
    for words in index:
        best = 0.0
        for name in {*words.names, *words.name_words}:
            matcher.set_seq1(name)
            if matcher.real_quick_ratio() >= _FUZZY and matcher.quick_ratio() >= _FUZZY:
                best = max(best, matcher.ratio())
        if best >= _FUZZY:
            found.append((-best, words.spec.name, words.spec))
    return [row[-1] for row in sorted(found, key=lambda row: row[:-1])]


def in_category(spec: NodeSpec, category: str) -> bool:
    """Say whether the node is in that category or in one below it, case ignored."""
    wanted, own = category.casefold().strip("/"), spec.category.casefold()
    return own == wanted or own.startswith(wanted + "/")
