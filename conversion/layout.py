"""Where nodes stand on the page: columns by depth, each node beside what it takes from. In pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Size = tuple[int, int]
Place = tuple[int, int]

_LEFT, _TOP = 40, 80
_BETWEEN_COLUMNS, _BETWEEN_NODES = 70, 40
_TITLE = 30
"""A node's title stands above its position."""
_TALLEST = 4000
"""A column that gets taller goes on beside itself."""


def depths(order: Sequence[str], sources: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Give each node's column: one behind the last of its sources.

    *order* has every node behind its sources; where there is a circle, a link backwards does not count. A
    node that takes nothing stands just before the first that takes from it.
    """
    depth: dict[str, int] = {}
    for node in order:
        depth[node] = max((depth[source] + 1 for source in sources[node] if source in depth), default=0)
    first_user: dict[str, int] = {}
    for node in order:
        for source in sources[node]:
            first_user[source] = min(first_user.get(source, depth[node]), depth[node])
    for node in order:
        if not sources[node] and node in first_user:
            depth[node] = max(0, first_user[node] - 1)
    return depth


def places(
    order: Sequence[str], sources: Mapping[str, Sequence[str]], sizes: Mapping[str, Size]
) -> dict[str, Place]:
    """Give the position of each node's upper left corner."""
    columns: dict[int, list[str]] = {}
    for node, column in depths(order, sources).items():
        columns.setdefault(column, []).append(node)
    found: dict[str, Place] = {}
    x = _LEFT
    for column in sorted(columns):
        # beside the middle of what they take from, else in the order of the graph
        heights = {node: _height_of(node, sources, found) for node in columns[column]}
        nodes = sorted(columns[column], key=lambda node: heights[node])
        y, width = _TOP, 0
        for node in nodes:
            if y > _TOP and y + sizes[node][1] > _TALLEST:
                x += width + _BETWEEN_COLUMNS
                y, width = _TOP, 0
            found[node] = (x, y)
            y += sizes[node][1] + _TITLE + _BETWEEN_NODES
            width = max(width, sizes[node][0])
        x += width + _BETWEEN_COLUMNS
    return found


def _height_of(node: str, sources: Mapping[str, Sequence[str]], found: Mapping[str, Place]) -> float:
    heights = [found[source][1] for source in sources[node] if source in found]
    return sum(heights) / len(heights) if heights else 0.0
