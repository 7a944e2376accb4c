"""What is measured, in the order of the tables. Each module has one noun's jobs."""

from . import calls, connect, contexts, fanout, local, memory, sizes

JOBS = {'connect': connect.JOB, 'connect_100ms': connect.JOB_100MS, 'local': local.JOB, 'calls': calls.JOB,
        'locals200': contexts.JOB, 'memory': memory.JOB, 'sizes': sizes.JOB, 'fanout': fanout.JOB}
