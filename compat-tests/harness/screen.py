"""What a user sees of what a program writes to a terminal."""

import re

CONTROL = re.compile(rb'\x1b\[([0-9;]*)([A-Za-z])')


class Screen:
    """A plain terminal that wraps and scrolls; what it does not know is an error of the program's."""

    def __init__(self, columns=80, rows=24):
        self.columns, self.rows = columns, rows
        self.top, self.row, self.column = 0, 0, 0  # rows count from the first line that was ever there
        self.cells = {}

    def feed(self, data):
        while data:
            if data.startswith(b'\x1b'):
                found = CONTROL.match(data)
                assert found, f'no known sequence: {data[:20]!r}'
                self._obey(found[2], found[1])
                data = data[found.end():]
            elif data[0] in b'\r\n':
                self.column = 0
                self.row += data[0] == 10
                data = data[1:]
            else:
                text = re.match(rb'[^\x1b\r\n]+', data)[0]
                for char in text.decode(errors='replace'):
                    assert char >= ' ' and char != '\x7f', f'{char!r} has reached the terminal'
                    self._show(char)
                data = data[len(text):]
            self.top = max(self.top, self.row - self.rows + 1)
        return self

    @property
    def lines(self):
        """All lines from the first, without what is empty at their ends, and without empty lines at the end."""
        lines = []
        for row in range(max((row for row, _ in self.cells), default=-1) + 1):
            columns = [column for at, column in self.cells if at == row]
            lines.append(''.join(self.cells.get((row, column), ' ') for column in range(max(columns, default=-1) + 1)).rstrip())
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _show(self, char):
        if self.column == self.columns:
            self.row, self.column = self.row + 1, 0
        self.cells[self.row, self.column] = char
        self.column += 1

    def _obey(self, letter, numbers):
        if letter == b'A':
            self.row = max(self.top, self.row - int(numbers or 1))
        elif letter == b'K' and not numbers:
            self._clear(lambda row, column: row == self.row and column >= self.column)
        elif letter == b'J' and not numbers:
            self._clear(lambda row, column: (row, column) >= (self.row, self.column))
        else:
            assert letter == b'm', f'no known sequence: {numbers + letter!r}'

    def _clear(self, gone):
        self.cells = {at: char for at, char in self.cells.items() if not gone(*at)}
