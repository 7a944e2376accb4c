#!/usr/bin/env python3
"""`make bench`: Hopvine beside what ssh, pipes and Python cost anyway, and beside its peers, all in one run."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # where `harness` is

import document
import machine
from bench import Bench, Scale
from harness.binary import BINARY
from harness.site import Site
from jobs import JOBS
from packages import Packages


def typed():
    parser = argparse.ArgumentParser(description=__doc__, epilog='JOB: ' + ', '.join(JOBS))
    parser.add_argument('jobs', metavar='JOB', nargs='*', help='what to measure; otherwise all')
    parser.add_argument('-n', metavar='N', type=int, dest='rounds', help='rounds that count')
    parser.add_argument('--quick', action='store_true', help='two rounds of small sizes: does it run at all?')
    parser.add_argument('--write', action='store_true', help=f'put the tables into {document.PATH.name}')
    parser.add_argument('--bulk', metavar='MIB', type=int, help='size of the file of fakessh; otherwise 1024')
    options = parser.parse_args()
    unknown = [name for name in options.jobs if name not in JOBS]
    if unknown:
        parser.error(f'no job {", ".join(unknown)}; there are {", ".join(JOBS)}')
    if options.quick and options.write:
        parser.error('--quick measures nothing that is worth to be written down')
    if options.rounds is not None and options.rounds < 1:
        parser.error('-n is at least 1')
    if options.bulk is not None and options.bulk < 1:
        parser.error('--bulk is at least 1')
    return options


def measure(options, bench):
    """Prints the tables; returns the names of those that lack what they are there for."""
    failed = []
    for name in options.jobs or JOBS:
        job, missing = JOBS[name], bench.site.missing
        if job.needs_ssh and 'ssh' in missing:
            print(f'{name}: not measured: {missing["ssh"]}\n', flush=True)
            continue
        load = machine.load()
        table = job.measure(bench)
        table.machine = machine.describe(bench, load)
        print(table.plain(name), flush=True)
        if options.write:
            document.write(name, table, list(JOBS))
        if table.broken:
            failed.append(name)
    return failed


def main():
    options = typed()
    if not BINARY.exists():
        sys.exit('no binary to measure: `make build` makes it, HOPVINE names another')
    packages, site = Packages.provide(), Site()
    try:
        scale = Scale.quick(options.rounds) if options.quick else Scale(options.rounds)
        scale.bulk_mebibytes = options.bulk or scale.bulk_mebibytes
        bench = Bench(site, packages, scale)
        try:
            failed = measure(options, bench)
        finally:
            bench.close()
    finally:
        site.close()
    if failed:
        sys.exit(f'without a figure of its own or of the baseline: {", ".join(failed)}')


if __name__ == '__main__':
    main()
