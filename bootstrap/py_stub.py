import sys
link,package,path=sys.argv[1:4]
sys.path.insert(0,'/proc/self/fd/'+package)
from hopvine import local,program
del sys.path[0]
local.adopt(int(link),int(package),path)
program.run(sys.argv[4:])