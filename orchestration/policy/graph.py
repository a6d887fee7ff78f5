"""Rules of graphs of steps. ``edges`` has, for every step, the steps that it needs."""

import heapq
from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias

Edges: TypeAlias = Mapping[str, Collection[str]]


def find_cycle(edges: Edges) -> list[str] | None:
    """Steps that wait for each other, each followed by one that it needs, the first repeated last; None without any."""
    finished: set[str] = set()
    for start in edges:
        path: list[str] = []
        if start not in finished and (cycle := _walk(edges, start, path, finished)):
            return cycle
    return None


def _walk(edges: Edges, start: str, path: list[str], finished: set[str]) -> list[str] | None:
    """Depth first, with its own stack: chains of steps may be longer than Python calls go deep."""
    open_steps: list[tuple[str, Iterator[str]]] = [(start, iter(edges.get(start, ())))]
    path.append(start)
    on_path = {start}
    while open_steps:
        name, rest = open_steps[-1]
        needed = next((each for each in rest if each not in finished), None)
        if needed is None:
            open_steps.pop()
            on_path.discard(path.pop())
            finished.add(name)
        elif needed in on_path:
            return [*path[path.index(needed) :], needed]
        else:
            path.append(needed)
            on_path.add(needed)
            open_steps.append((needed, iter(edges.get(needed, ()))))
    return None


def order(edges: Edges) -> list[str]:
    """Every step after all that it needs, otherwise in the order given. Steps of a cycle are left out."""
    waiting = {name: {each for each in needs if each in edges} for name, needs in edges.items()}
    users = _users(waiting)
    names = list(edges)
    rank = {name: place for place, name in enumerate(names)}
    ready = [rank[name] for name, needs in waiting.items() if not needs]
    done: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        done.append(name)
        for user in users.get(name, ()):
            waiting[user].discard(name)
            if not waiting[user]:
                heapq.heappush(ready, rank[user])
    return done


def _users(edges: Edges) -> dict[str, list[str]]:
    """The other way round: by whom a step is needed."""
    users: dict[str, list[str]] = {}
    for name, needs in edges.items():
        for needed in needs:
            users.setdefault(needed, []).append(name)
    return users


def downstream(edges: Edges, start: str) -> set[str]:
    """All that need this step, directly or through others; without itself."""
    found: set[str] = set()
    users = _users(edges)
    waiting = [start]
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in found and user != start:
                found.add(user)
                waiting.append(user)
    return found


def layers(edges: Edges) -> list[list[str]]:
    """Steps by the length of the longest way to them: the first layer needs nothing. Steps of a cycle are left out."""
    depth: dict[str, int] = {}
    for name in order(edges):
        depth[name] = 1 + max((depth[each] for each in edges[name] if each in depth), default=-1)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in edges:
        if name in depth:
            rows[depth[name]].append(name)
    return rows
