"""What leads on from here has something to put in order too, before it is killed: the watchdog knows it as `spared`."""


# Each leads a group; what is stopped hears nothing but SIGCONT.
tell('''def end(status, session=0, end=end):
 for pid in spared:
  kill(-pid, 15)
  kill(-pid, 18)
 for again in range(50):
  if not [pid for pid in spared if kill(pid, 0)]:
   break
  readable([], .01)
 end(status, session)''')
