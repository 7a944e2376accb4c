"""The wheel: the Python API, and the program that it starts (`make wheel`). It is run in a folder that holds both."""
import platform

from setuptools import Distribution, setup
from wheel.bdist_wheel import bdist_wheel

MACHINE = platform.machine()


class Wheel(bdist_wheel):
    """For any Python, and for any Linux of this machine's kind: the program is static."""

    def get_tag(self):
        places = 'manylinux_2_5', 'manylinux1', 'musllinux_1_1'
        return 'py2.py3', 'none', '.'.join('%s_%s' % (place, MACHINE) for place in places)


class Platform(Distribution):
    def has_ext_modules(self):
        return True


setup(
    name='hopvine',
    version=open('version').read().strip(),
    description='Run Python functions, commands and files on machines that have nothing installed but a way in and any Python',
    license='MIT OR Apache-2.0',
    packages=['hopvine'],
    package_data={'hopvine': ['bin/hopvine', '*.pyi', 'py.typed']},
    entry_points={'console_scripts': ['hopvine = hopvine.local:command']},
    python_requires='>=2.7,!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*',
    zip_safe=False,
    distclass=Platform,
    cmdclass={'bdist_wheel': Wheel},
)
