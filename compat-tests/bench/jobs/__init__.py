"""What is measured, in the order of the tables. Each module has one noun's jobs."""

from . import calls, connect, contexts, errands, fanout, files, groups, hops, imports, local, memory, sessions, simulated, sizes, syncs

JOBS = {'connect': connect.JOB, 'connect_100ms': connect.JOB_100MS,
        'import61': imports.JOB, 'import61_100ms': imports.JOB_100MS, 'packages': imports.PACKAGES,
        'packages_100ms': imports.PACKAGES_100MS, 'local': local.JOB, 'calls': calls.JOB,
        'groups': groups.JOB, 'locals200': contexts.JOB, 'simulated': simulated.JOB, 'memory': memory.JOB, 'sizes': sizes.JOB, 'fanout': fanout.JOB, 'hops_100ms': hops.HOPS, 'bastion': hops.BASTION, 'latency': hops.LATENCY,
        'put': files.PUT, 'fetch': files.FETCH, 'tree': files.TREE,
        'multicast': files.MULTICAST, 'files_memory': files.FILES_MEMORY,
        'fakessh': syncs.FILE, 'fakessh_tree': syncs.TREE, 'fakessh_small': errands.JOB,
        'fakessh_small_100ms': errands.JOB_100MS, 'session': sessions.JOB, 'session_100ms': sessions.JOB_100MS}
