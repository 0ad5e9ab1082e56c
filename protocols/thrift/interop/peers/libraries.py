"""The Python libraries of the matrix behind one face: thriftpy2, thriftpy (Debian's), and Apache Thrift's own."""
import array
import importlib
import os
import sys
import types


def library(told):
    return Apache(told) if told["library"] == "apache" else Thriftpy(told)


class Thriftpy:
    """thriftpy and thriftpy2, which have the same names."""

    def __init__(self, told):
        self.root = told["library"]
        load = importlib.import_module(self.root).load
        if self.root == "thriftpy":
            # Its compact protocol calls a method that Python 3.9 took away.
            class Array(array.array):
                tostring = array.array.tobytes
            self.module("protocol.compact").array = types.SimpleNamespace(array=Array)
        folder = told["folder"]
        self.idl = load(os.path.join(folder, "interop.thrift"), module_name="interop_thrift")
        self.shapes = self.idl.shapes
        self.unknown = self.module("thrift").TApplicationException
        self.failure = (OSError, EOFError, self.module("thrift").TException)

    def module(self, name):
        return importlib.import_module(self.root + "." + name)

    def make(self, name):
        return getattr(self.idl, name, None) or getattr(self.shapes, name)

    def factories(self, configuration):
        protocol, transport = self.module("protocol"), self.module("transport")
        if configuration["protocol"] == "compact":
            # Written in Python; needs the transports that are.
            transports = {"framed": transport.TFramedTransportFactory, "buffered": transport.TBufferedTransportFactory}
            return transports[configuration["transport"]](), protocol.TCompactProtocolFactory()
        if configuration["protocol"] == "old":
            transports = {"framed": transport.TFramedTransportFactory, "buffered": transport.TBufferedTransportFactory}
            return transports[configuration["transport"]](), protocol.TBinaryProtocolFactory(False, False)
        transports = {"framed": transport.TCyFramedTransportFactory, "buffered": transport.TCyBufferedTransportFactory}
        return transports[configuration["transport"]](), protocol.TCyBinaryProtocolFactory()

    def serve(self, configuration, handler):
        """Serves until the process ends."""
        thrift, server, transport = self.module("thrift"), self.module("server"), self.module("transport")
        transports, protocols = self.factories(configuration)
        socket = transport.TServerSocket(host="127.0.0.1", port=configuration["port"])
        plain = thrift.TProcessor(self.idl.Interop, handler)
        root = self

        class Server(server.TThreadedServer):
            def handle(self, client):
                # What tracking remembers belongs to one connection.
                if configuration["tracking"]:
                    tracking = root.module("contrib.tracking")
                    self = server.TThreadedServer(
                        tracking.TTrackedProcessor(root.tracker(configuration), root.idl.Interop, handler),
                        socket, transports, protocols,
                    )
                server.TThreadedServer.handle(self, client)

        Server(plain, socket, transports, protocols, daemon=True).serve()

    def client(self, configuration):
        thrift, transport = self.module("thrift"), self.module("transport")
        transports, protocols = self.factories(configuration)
        link = transports.get_transport(transport.TSocket("127.0.0.1", configuration["port"]))
        link.open()
        protocol = protocols.get_protocol(link)
        if not configuration["tracking"]:
            return thrift.TClient(self.idl.Further, protocol), link
        tracking = self.module("contrib.tracking")
        return tracking.TTrackedClient(self.tracker(configuration), self.idl.Further, protocol), link

    def tracker(self, configuration):
        tracker = self.module("contrib.tracking.tracker")

        class Tracker(tracker.TrackerBase):
            shard = None
            app = None

            def get_request_id(self):
                return "rid-" + configuration["name"]

            def gen_header(self, header):
                super().gen_header(header)
                header.meta = {"tenant": "t1"}

            def init_handshake_info(self, handshake):
                handshake.app_id = "peer"

            def handle_handshake_info(self, handshake):
                tracker.ctx.app = handshake.app_id

            def handle_response_header(self, header):
                self.shard = (header.meta or {}).get("shard")

        return Tracker("peer", "peer")

    def who(self):
        """What the call that is being served said of itself."""
        tracker = self.module("contrib.tracking.tracker")
        header = getattr(tracker.ctx, "header", None)
        if header is None:
            return {}
        if hasattr(tracker.TrackerBase, "add_response_meta"):
            tracker.TrackerBase.add_response_meta(shard="3")
        app = getattr(tracker.ctx, "app", None)
        said = {"id": header.request_id, "seq": header.seq, "client": app or ""}
        return {**said, **(header.meta or {})}


class Apache:
    """Code that Apache Thrift's compiler has generated."""

    def __init__(self, told):
        sys.path.insert(0, os.path.join(told["folder"], "gen-py"))
        self.modules = [importlib.import_module("interop.ttypes"), importlib.import_module("shapes.ttypes")]
        from thrift.Thrift import TApplicationException, TException
        self.unknown = TApplicationException
        self.failure = (OSError, EOFError, TException)

    def make(self, name):
        return next(getattr(one, name) for one in self.modules if hasattr(one, name))

    def factories(self, configuration):
        from thrift.protocol import TBinaryProtocol, TCompactProtocol
        from thrift.transport import TTransport
        protocol = {
            "binary": TBinaryProtocol.TBinaryProtocolFactory,
            "accelerated": TBinaryProtocol.TBinaryProtocolAcceleratedFactory,
            "old": lambda: TBinaryProtocol.TBinaryProtocolFactory(False, False),
            "compact": TCompactProtocol.TCompactProtocolFactory,
        }[configuration["protocol"]]()
        transport = {
            "framed": TTransport.TFramedTransportFactory, "buffered": TTransport.TBufferedTransportFactory,
        }[configuration["transport"]]()
        return transport, protocol

    def serve(self, configuration, handler):
        from interop import Interop
        from thrift.server import TServer
        from thrift.transport import TSocket
        transports, protocols = self.factories(configuration)
        socket = TSocket.TServerSocket("127.0.0.1", configuration["port"])
        TServer.TThreadedServer(Interop.Processor(handler), socket, transports, protocols, daemon=True).serve()

    def client(self, configuration):
        from interop import Further
        from thrift.transport import TSocket
        transports, protocols = self.factories(configuration)
        link = transports.getTransport(TSocket.TSocket("127.0.0.1", configuration["port"]))
        link.open()
        return Further.Client(protocols.getProtocol(link)), link

    def who(self):
        return {}
