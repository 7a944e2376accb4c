import sys
link,package=sys.argv[1:3]
sys.path.insert(0,'/proc/self/fd/'+package)
from hopvine import local,program
del sys.path[0]
local.adopt(int(link))
program.run(sys.argv[3:])
