"""Where it was measured: what a reader needs to judge the milliseconds."""

import datetime
import os
import pathlib
import platform
import re
import subprocess


def load():
    """How busy the machine was with other work before it was asked for ours."""
    return os.getloadavg()[0]


def describe(bench, load_before):
    ssh = subprocess.run(['ssh', '-V'], capture_output=True, text=True).stderr.split(',')[0].split()[0] \
        if 'ssh' not in bench.site.missing else 'no ssh'
    far = subprocess.run([bench.python, '-c', 'import platform; print(platform.python_version())'],
                         capture_output=True, text=True).stdout.strip()
    kernel = re.match(r'[\d.]*\d', platform.release()).group()
    return (f'{datetime.date.today()}, {bench.hop("--version").text.strip()}: {os.cpu_count()} cores ({processor()}), '
            f'Linux {kernel}, {ssh.replace("_", " ")}, Python {far} at the far side, '
            f'{bench.packages.python_version} under the peers; load before {load_before:.1f}.')


def processor():
    """The vendor's name for it, without marks and clock rates."""
    found = re.search(r'^model name\s*:\s*(.*)$', pathlib.Path('/proc/cpuinfo').read_text(), re.MULTILINE)
    return re.sub(r'\((R|TM)\)| @.*| Processor| CPU', '', found.group(1)).strip() if found else platform.machine()
