"""The harness itself: a test that proves nothing must not pass."""

import time
from subprocess import PIPE

import pytest

from harness.accounts import SHELLS
from harness.leaks import Leaks
from harness.process import Process


def ssh_to(site, alias, *words, **options):
    env = site.client.environment(site.run_id, site.dir)
    return Process(['ssh', alias, *words], env=env, **options)


@pytest.mark.parametrize('shell', SHELLS)
def test_each_account_logs_in_with_its_own_shell(site, ssh, need, shell):
    need(shell)
    shown = ssh_to(site, shell, 'echo $HOPVINE_TEST; echo $SHELL; id -un').finish()
    assert shown.lines[0] == site.run_id and shell in shown.lines[1] and shown.lines[2] == f'hv{shell}', shown


def test_dropbear_lets_an_account_in(site, need):
    need('drop')
    assert ssh_to(site, 'drop', 'echo', 'hi').finish().out == b'hi\n'


def test_every_host_has_its_address(site, ssh):
    lives = [ssh_to(site, f'h{n}', 'echo', '$SSH_CONNECTION') for n in range(1, 9)]
    shown = [live.finish().text.split()[2] for live in lives]
    assert shown == [f'127.0.0.{n}' for n in range(1, 9)]


def test_the_proxy_delays_and_counts(site, ssh, slow):
    near, far = ssh_to(site, 'h1', 'true').finish(), ssh_to(site, 'slow', 'true').finish()
    assert far.rc == 0, far
    assert far.seconds > near.seconds + 5 * 2 * slow.one_way
    assert slow.up_bytes > 1000 and slow.down_bytes > 1000 and slow.turns >= 5


def test_a_cut_connection_ends_the_client(site, ssh, slow):
    live = ssh_to(site, 'slow', 'echo up; exec cat', stdin=PIPE)
    live.until(b'up')
    slow.cut()
    assert live.finish(5).rc == 255


def test_a_process_left_by_a_session_is_found_and_killed(site, ssh, monkeypatch):
    monkeypatch.setattr('harness.leaks.PATIENCE_SECONDS', 0.2)
    leaks = Leaks(site, None)
    live = ssh_to(site, 'h1', 'setsid sleep 1001 >/dev/null 2>&1 & echo left')
    live.finish(5)
    assert any('sleep 1001' in line for line in leaks.found())
    assert leaks.found() == []


def test_a_process_that_is_late_fails_its_test_and_is_gone():
    started = time.monotonic()
    with pytest.raises(AssertionError, match='not over'):
        Process(['sleep', '1002']).finish(timeout=0.2)
    assert time.monotonic() - started < 5
