import sys
del sys.path[0]
import os,zlib
s=os.read(0,0)
while len(s)<@SIZE@:s+=os.read(0,@SIZE@-len(s))or 1/0
c=sys.modules['hopvine_core']=type(sys)('hopvine_core')
exec(zlib.decompress(s,-15),c.__dict__)
