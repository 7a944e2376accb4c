"""Programs that call ssh, led to a tunnel: rsync, scp, git, and whatever else does."""
import os
import subprocess
import sys


def run(dest, argv, env=None):
    """Runs argv where this is called, with an ssh that leads to `dest` whatever host it is told; returns its exit status,
    or what subprocess has for one that was killed: minus the signal.

        fileserver.call(fakessh.run, webapp, ['rsync', '-a', '/srv/app/', 'webapp:app/'])

    copies between two machines that need not see each other: what passes goes no higher than the nearest context above
    both. `env`: what the program's environment has beside that of whoever runs it.
    """
    token = getattr(dest, 'token', None)
    if token is None:
        # A tunnel of our own: an agent beside us is given it.
        from hopvine.tunnel import Local
        beside = Local('fakessh')
        try:
            return beside.call(run, dest, argv, env)
        finally:
            beside.close()
    core = sys.modules['hopvine_core']
    core.ask(core.NEED, core.utf8('own:input,run,crossed,fakessh'))
    lending = core.Lending(token)
    try:
        environment = dict(os.environ)
        environment.update(lending.environment())
        environment.update(env or {})
        return subprocess.Popen(argv, env=environment).wait()
    finally:
        lending.end()
