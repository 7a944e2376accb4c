import sys
del sys.path[0]
import os,zlib
s=os.read(0,0)
while len(s)<@SIZE@:s+=os.read(0,@SIZE@-len(s))or 1/0
c=type(sys)('hopvine_core')
t=zlib.decompressobj(-15).decompress(s)
exec(t,c.__dict__)
