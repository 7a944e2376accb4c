"""A table, for a terminal and for the documentation."""

import dataclasses
import textwrap

WIDTH = 110
MAX_REASON = 600


@dataclasses.dataclass
class Row:
    name: str
    cells: list


@dataclasses.dataclass
class Table:
    title: str
    headings: list
    note: str = ''
    machine: str = ''
    rows: list = dataclasses.field(default_factory=list)
    # Why a row has no figures; for the terminal only, as it may name files.
    wrong: dict = dataclasses.field(default_factory=dict)
    broken: bool = False

    def plain(self, name):
        lines = [['', *self.headings], *([row.name, *row.cells] for row in self.rows)]
        widths = [max(len(cell) for cell in column) for column in zip(*lines)]
        text = [f'{name}: {self.title}']
        for first, *others in lines:
            cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
            text.append('  '.join(cells).rstrip())
        text += textwrap.wrap(self.note, WIDTH) + textwrap.wrap(self.machine, WIDTH)
        text += [f'n/a {row}: {reason[:MAX_REASON]}' for row, reason in self.wrong.items()]
        return '\n'.join(text) + '\n'

    def markdown(self, name):
        def line(cells):
            return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'
        rows = [line(['', *self.headings]), line(['---', *('---:' for _ in self.headings)]),
                *(line([row.name, *row.cells]) for row in self.rows)]
        return '\n\n'.join([f'## {name}: {self.title}', '\n'.join(rows), textwrap.fill(self.note, WIDTH),
                            textwrap.fill(f'*{self.machine}*', WIDTH)]) + '\n'
