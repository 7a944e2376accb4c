"""A job: contestants that take turns, and the table that comes of it. The first is the measure of the rest."""

import statistics

from table import Row, Table

ROUNDS = 7


class Contestant:
    """`run()` measures once and returns figures by name. `required`: without it the job is worth nothing.

    `against`: the names of those that the job's ratios are to, where that is not the first alone.
    """

    def __init__(self, name, run, required=False, against=()):
        self.name, self.run, self.required, self.against = name, run, required, against


class Job:
    """`columns` are figures' names and headings; the first is compared, the others are medians only, with one of `ratios` to each
    of those that a contestant is held against.

    `contestants(bench)` makes them; `title` and `note` may name what the scale says, as `{contexts}`.
    """

    def __init__(self, title, columns, contestants, note, rounds=ROUNDS, needs_ssh=False, ratios=('ratio',)):
        self.title, self.columns, self.contestants, self.note = title, columns, contestants, note
        self.rounds, self.needs_ssh, self.ratios = rounds, needs_ssh, ratios

    def measure(self, bench):
        rounds = bench.scale.rounds or self.rounds
        with bench.during_job:
            contestants = self.contestants(bench)
            figures, wrong = take_turns(contestants, rounds)
        scale = vars(bench.scale)
        (main, heading), others = self.columns[0], self.columns[1:]
        table = Table(title=self.title.format(**scale), note=f'n = {rounds}. {self.note}'.format(**scale),
                      headings=[heading, 'min..max', *self.ratios, *(other for _, other in others)])
        for contestant in contestants:
            of = figures[contestant.name]
            more = [show(median(of, name)) for name, _ in others]
            against = contestant.against or [contestants[0].name]
            baselines = [median(figures[each], main) for each in against]
            table.rows.append(Row(contestant.name, cells(of, main, baselines) + more))
            if contestant.name in wrong:
                table.wrong[contestant.name] = wrong[contestant.name]
                table.broken = table.broken or contestant.required
        return table


def take_turns(contestants, rounds):
    """The figures of each contestant, by round, and what went wrong. The first round warms up and does not count."""
    figures = {contestant.name: [] for contestant in contestants}
    wrong = {}
    for number in range(rounds + 1):
        for contestant in contestants:
            if contestant.name in wrong:
                continue
            try:
                measured = contestant.run()
            except Exception as error:  # one that cannot do it must not keep the others from it
                wrong[contestant.name] = f'{type(error).__name__}: {error}'
                figures[contestant.name] = []
                continue
            if number:
                figures[contestant.name].append(measured)
    return figures, wrong


def cells(figures, name, baselines):
    """The median, its range, and how many times each of the baselines it is."""
    values = [measured[name] for measured in figures if name in measured]
    if not values:
        return ['n/a', '', *('' for _ in baselines)]
    middle = statistics.median(values)
    ratios = [show(middle / baseline, 2) if baseline else '' for baseline in baselines]
    return [show(middle), f'{show(min(values))}..{show(max(values))}', *ratios]


def median(figures, name):
    values = [measured[name] for measured in figures if name in measured]
    return statistics.median(values) if values else None


def show(value, decimals=None):
    """Three digits that count, as far as they are left of the point at all."""
    if value is None:
        return ''
    if decimals is None:
        decimals = 0 if value >= 100 else 1 if value >= 10 else 2
    return f'{value:.{decimals}f}'
