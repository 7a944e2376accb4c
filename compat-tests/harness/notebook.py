"""Notebooks whose kernel `hopvine py` runs."""

import json
import pathlib
import sys

from .binary import BINARY, REPO
from .process import Process
from .pythons import Python

# Prints, for each cell, what it has written, its result, and how it failed.
RUN = '''
import json, sys
import nbclient, nbformat.v4 as made

cells = [made.new_code_cell(text) for text in json.load(sys.stdin)]
notebook = made.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, kernel_name='hop', timeout=60, allow_errors=True).execute()
print(json.dumps([''.join(
    output.get('text') or output.get('data', {}).get('text/plain') or '%s: %s' % (output.ename, output.evalue)
    for output in cell.outputs) for cell in cells]))
'''


def kernels():
    """The Pythons that can be one, by the folders that provision.sh made."""
    found = [Python(path, path.parts[-3]) for path in sorted((REPO / 'target/kernels').glob('*/bin/python'))]
    return sorted(found, key=lambda python: python.number) or [Python(sys.executable, '%d.%d' % sys.version_info[:2])]


def run_notebook(hop, python, cells):
    """What each of the cells shows."""
    folder = pathlib.Path(hop.scratch) / 'jupyter'
    spec = folder / 'kernels/hop/kernel.json'
    spec.parent.mkdir(parents=True)
    argv = [str(BINARY), 'py', '--interpreter', python.path, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    spec.write_text(json.dumps({'argv': argv, 'display_name': 'hop', 'language': 'python'}))
    env = {**hop.env, 'JUPYTER_PATH': str(folder), 'JUPYTER_RUNTIME_DIR': str(folder / 'run'), 'IPYTHONDIR': str(folder / 'ipython'),
           'JUPYTER_CONFIG_DIR': str(folder / 'config'), 'JUPYTER_DATA_DIR': str(folder / 'data'), 'JUPYTER_PLATFORM_DIRS': '1'}
    result = Process([sys.executable, '-c', RUN], env, folder, json.dumps(cells).encode()).finish(120)
    assert result.rc == 0, result
    return json.loads(result.text)
