"""thriftpy2's TThreadedServer with what it has in C; TRACKING=1: with contrib.tracking, a processor per connection."""
import os

import thriftpy2
from thriftpy2.contrib.tracking import TrackerBase, TTrackedProcessor
from thriftpy2.protocol import TCyBinaryProtocolFactory
from thriftpy2.server import TThreadedServer
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TCyBufferedTransportFactory, TServerSocket

idl = thriftpy2.load(os.path.join(os.path.dirname(__file__), "thrift_hello.thrift"), module_name="hello_thrift")


class Handler:
    def hello(self, name):
        return "hello " + name


class Tracked(TThreadedServer):
    def handle(self, client):
        processor = TTrackedProcessor(TrackerBase("bench", "bench"), idl.Hello, Handler())
        TThreadedServer(processor, None, transports, protocols).handle(client)


transports, protocols = TCyBufferedTransportFactory(), TCyBinaryProtocolFactory()
socket = TServerSocket(host="127.0.0.1", port=int(os.environ["PORT"]))
server = Tracked if os.environ.get("TRACKING") else TThreadedServer
server(TProcessor(idl.Hello, Handler()), socket, transports, protocols, daemon=True).serve()
