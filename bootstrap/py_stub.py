import sys
link,package,path=sys.argv[1:4]
sys.path.insert(0,'/proc/self/fd/'+package)
try:
 from hopvine import local,program
except ImportError:
 sys.stderr.write('hopvine: %s: --interpreter names another\n'%(sys.exc_info()[1],))
 sys.exit(2)
del sys.path[0]
local.adopt(int(link),int(package),path)
program.run(sys.argv[4:])
