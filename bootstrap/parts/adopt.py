"""The watchdog becomes a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): it adopts what loses its parent."""
adopts, adopted = map(private, os.pipe())


# Where that is not possible, a process that has left the tree is nobody's. What forks and ends is elsewhere at each
# look at all of /proc, but always ours, or a child of ours that ends: our own children are looked at first, and quickly.
# A command may fork until it is killed: with it goes its group, and what that leaves is looked for once more.
tell('%s', '''def purge(roots, since, session=0, known=(), purge=purge):
 calm = 0
 try:
  oldest = (float(open('/proc/uptime').read().split()[0]) + since - time.time()) * os.sysconf('SC_CLK_TCK') - 1
  for again in range(3000):
   calm += 1
   for pid in open('/proc/self/task/%d/children' % os.getpid()).read().split():
    pid = int(pid)
    try:
     fields = open('/proc/%d/stat' % pid).read().split(')')[-1].split()
    except EnvironmentError:
     continue
    its = int(fields[3])
    if fields[0] not in 'ZX' and pid != agent and pid not in known and its not in spared and (
       its == session or int(fields[19]) >= oldest) and kill(pid):
     calm = 0
   if calm > 2:
    break
 except Exception:
  pass
 return purge(roots, since, session, known)
def over(pid, since):
 ending.append(since)
 spared.pop(pid, 0)
 purge([pid], since, pid)
 kill(-pid)
 kill(pid)
 purge([pid], since, pid)
 ending.pop()
try:
 import _ctypes
 _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), 'prctl'), (36, 1, 0, 0, 0))
except Exception:
 pass''')
tell('''try:
 done = os.open('/proc/%%d/fd/%d' %% agent, 1)
 os.write(done, pack('B', 0))
 os.close(done)
except Exception:
 pass''', adopted)
# Without /proc it finds nobody anyway.
os.path.isdir('/proc/self/fd') or os.write(adopted, pack('B', 0))


def begin(stream, begin=begin):
    """Not before the watchdog is through with that: what loses its parent earlier is nobody's."""
    readable([adopts], 2) or os.write(adopted, pack('B', 0))
    return begin(stream)


def interrupt():
    """The same; where any lock of ours is held, the next signal will. Then the call has a second to put things in order,
    in which a signal would break off what it waits for; one may be on its way."""
    global interrupts
    interrupts += 1
    if inside and inside.gone and interrupts > inside.caught and not fetching.locked() and not lock.locked():
        inside.caught = interrupts + 1.5
        tell('interrupting = 60')
        raise KeyboardInterrupt
