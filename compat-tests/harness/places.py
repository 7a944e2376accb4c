"""Where a hop starts from: here, or behind a relay of either kind."""

import shutil

import pytest

from .binary import BINARY

PLACES = {'here': [], 'behind Python': ['--relay', 'python'], 'behind a native relay': ['--relay', 'native']}
at_each_place = pytest.mark.parametrize('place', PLACES)
# A native relay hears, starts and tells as the controller itself does.
here_and_behind_python = pytest.mark.parametrize('place', ['here', 'behind Python'])


def way(place, target):
    """The words that lead to a target from there."""
    return ['-w', f'local:/{target}' if PLACES[place] else target, *PLACES[place]]


def install(site, hop):
    """Puts the program where every account finds and can run it: that makes native relays of ours."""
    folder = site.dir / 'installed'
    if not folder.exists():
        folder.mkdir()
        shutil.copy(BINARY, folder / 'hopvine')
    hop.path = folder / 'hopvine'
    hop.env['PATH'] = f'{folder}:{hop.env["PATH"]}'
