"""Lines of `hopvine queue`, and what comes of them."""

import collections
import json


def lines(*operations):
    return ''.join(json.dumps(operation) + '\n' for operation in operations).encode()


def objects(result):
    return [json.loads(line) for line in result.lines]


def results(result):
    """(line, target) of each result, in the order in which they came."""
    return [(found['line'], found['target']) for found in objects(result)]


def by_line(result):
    found = collections.defaultdict(dict)
    for one in objects(result):
        found[one['line']][one['target']] = one
    return found
