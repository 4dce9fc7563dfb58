"""Contents of which one value is replaced by another: what a hostile or broken file may hold."""

from copy import deepcopy

ODD = (None, True, 3, -1, 0.5, 1e300, 10**400, float("nan"), "", "x", [], [1], ["x", []], {}, {"min": 3}, {"a": {}})


def replace_each(content):
    """The content with each of its values in turn replaced by each odd one."""
    for path in _list_paths(content):
        for value in ODD:
            changed = deepcopy(content)
            *first, last = path
            node = changed
            for step in first:
                node = node[step]
            node[last] = deepcopy(value)
            yield path, changed


def _list_paths(node, path=()):
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in parts:
        yield (*path, key)
        yield from _list_paths(value, (*path, key))
