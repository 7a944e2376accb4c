"""Flights and bytes, seen from a proxy that delays.

ssh itself, asked to run Python, is the measure: up to the first line it sends as often as we do. How long a flight has
to wait for sshd's first window is not seen here; that is a matter of time, which docs/BENCHMARKS.md measures.
"""

import pytest

from harness.process import Process

# what encryption and packet headers add to the bytes of `bootstrap sizes`
WRAPPING_BYTES = 600


class FirstLine:
    """How many turns the link had taken when the first line of a program came, and how many bytes had gone up."""

    def __init__(self, proxy, process):
        turns, up_bytes = proxy.turns, proxy.up_bytes
        process.until(b'\n')
        self.turns, self.up_bytes = proxy.turns - turns, proxy.up_bytes - up_bytes
        self.result = process.finish()


@pytest.fixture
def plain(site, slow):
    """ssh running Python as a user would by hand."""
    env = site.client.environment(site.run_id, site.dir)
    return FirstLine(slow, Process(['ssh', 'slow', 'python3 -S -E -c "import time; print(time.time())"'], env=env))


def check(ours, plain):
    assert ours.result.rc == 0, ours.result
    assert ours.turns <= plain.turns, (ours.turns, plain.turns, ours.result)


def test_a_standard_function_costs_no_more_round_trips_than_ssh_itself(hop, slow, plain):
    ours = FirstLine(slow, hop.start('call', '-w', 'slow', 'time:time'))
    check(ours, plain)
    sizes = hop.sizes()
    assert ours.up_bytes - plain.up_bytes <= sizes['first_result'] + WRAPPING_BYTES, (ours.up_bytes, plain.up_bytes)


def test_a_command_costs_no_more_round_trips_than_ssh_itself(hop, slow, plain):
    check(FirstLine(slow, hop.start('run', '-w', 'slow', '--', 'echo hi')), plain)


def test_a_module_of_the_user_costs_no_more(hop, slow, plain):
    hop.write('lib/single.py', 'def f():\n    return 1\n')
    check(FirstLine(slow, hop.start('call', '-w', 'slow', '--path', 'lib', 'single:f')), plain)


def test_several_hosts_wait_for_their_links_together(hop, ssh, slow, plain):
    for number in range(4):
        ssh.alias(f'slow{number}', Port=slow.port)
    result = hop.run('slow[0-3]', 'echo hi')
    assert result.rc == 0 and result.seconds < 2 * plain.result.seconds, result
