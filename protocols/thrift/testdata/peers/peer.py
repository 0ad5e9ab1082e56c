"""
Client or server of Test (everything.thrift) in Python, by implementations nobody here wrote.

    peer.py <thriftpy|thriftpy2|apache> <server|client> <port> <buffered|framed> <binary|compact|unstrict> <native|tracked>

A client prints one line of JSON: what went well, by name, "ok" or what was wrong. apache needs code generated from the
IDL on PYTHONPATH; the others read the IDL named by the environment variable IDL.
"""
import json
import logging
import os
import sys
import time

LIB, ROLE, PORT, TRANSPORT, PROTOCOL, TRACKING = sys.argv[1:7]
PORT = int(PORT)
logging.basicConfig(level=logging.CRITICAL)


class Namespace(object):
    pass


def dynamic(lib):
    """thriftpy and thriftpy2: the same in names."""
    import importlib

    root = importlib.import_module(lib)
    t = root.load(os.environ["IDL"], module_name="everything_thrift")
    proto = importlib.import_module(lib + ".protocol.binary")
    compact = importlib.import_module(lib + ".protocol.compact")
    if not hasattr(compact.array.array, "tostring"):
        # Gone from Python 3.9 on, which thriftpy is older than.
        class Array(compact.array.array):
            tostring = compact.array.array.tobytes

        compact.array = Namespace()
        compact.array.array = Array
    buffered = importlib.import_module(lib + ".transport.buffered")
    framed = importlib.import_module(lib + ".transport.framed")
    ns = Namespace()
    ns.t, ns.Test = t, t.Test
    ns.Refused = t.shared.Refused
    ns.App = importlib.import_module(lib + ".thrift").TApplicationException
    ns.lib = lib
    strict = PROTOCOL != "unstrict"
    ns.proto = compact.TCompactProtocolFactory() if PROTOCOL == "compact" else proto.TBinaryProtocolFactory(
        strict_read=strict, strict_write=strict)
    ns.trans = framed.TFramedTransportFactory() if TRANSPORT == "framed" else buffered.TBufferedTransportFactory()
    return ns


def apache():
    from everything import Test, ttypes
    from shared.ttypes import Refused
    from thrift.Thrift import TApplicationException
    from thrift.protocol import TBinaryProtocol, TCompactProtocol
    from thrift.transport import TTransport

    ns = Namespace()
    ns.t, ns.Test, ns.Refused, ns.App, ns.lib = ttypes, Test, Refused, TApplicationException, "apache"
    strict = PROTOCOL != "unstrict"
    ns.proto = TCompactProtocol.TCompactProtocolFactory() if PROTOCOL == "compact" else \
        TBinaryProtocol.TBinaryProtocolFactory(strictRead=strict, strictWrite=strict)
    ns.trans = TTransport.TFramedTransportFactory() if TRANSPORT == "framed" else TTransport.TBufferedTransportFactory()
    return ns


ns = apache() if LIB == "apache" else dynamic(LIB)
t = ns.t
binary_is_text = LIB == "thriftpy"


class Handler(object):
    heard_text = ""

    def ping(self):
        return "pong"

    def nop(self):
        pass

    def echo(self, value):
        return value

    def hello(self, name):
        return "hi " + name

    def add(self, left, right):
        return left + right

    def fail(self, how):
        if how == "missing":
            raise t.NotFound(key="k", inner=t.Inner(name="n", children=[]))
        if how == "refused":
            raise ns.Refused(why="so", code=7)
        raise ValueError("a secret of " + how)

    def split(self, text, by):
        return text.split(by)

    def shout(self, text):
        Handler.heard_text = text

    def heard(self):
        return Handler.heard_text

    def reverse(self, bytes):
        return bytes[::-1]

    def wait(self, ms):
        if TRACKING == "tracked" and LIB == "thriftpy2":
            tracker.add_response_meta(waited=str(ms))
        time.sleep(ms / 1000.0)
        return str(ms)

    def who(self):
        if TRACKING != "tracked":
            return {}
        import importlib

        context = importlib.import_module(LIB + ".contrib.tracking.tracker").ctx
        header = getattr(context, "header", None)
        if header is None:
            return {"client": tracker.client_name}
        return dict(header.meta or {}, id=header.request_id, rpcId=header.seq, client=tracker.client_name)


def make_tracker():
    import importlib

    base = importlib.import_module(LIB + ".contrib.tracking").TrackerBase

    class Tracker(base):
        client_name = ""
        reply_meta = {}

        def init_handshake_info(self, handshake):
            handshake.app_id = "peer"

        def handle_handshake_info(self, handshake):
            Tracker.client_name = handshake.app_id or ""

        def handle_response_header(self, header):
            Tracker.reply_meta = header.meta or {}

    return Tracker("peer", "weir")


tracker = make_tracker() if TRACKING == "tracked" else None


def serve_dynamic():
    import importlib

    server = importlib.import_module(LIB + ".server")
    transport = importlib.import_module(LIB + ".transport")
    thrift = importlib.import_module(LIB + ".thrift")
    processor = thrift.TProcessor(ns.Test, Handler())

    class Server(server.TThreadedServer):
        def handle(self, client):
            # A tracked processor remembers things of its connection.
            mine = processor
            if TRACKING == "tracked":
                tracking = importlib.import_module(LIB + ".contrib.tracking")
                mine = tracking.TTrackedProcessor(tracker, ns.Test, Handler())
            itrans = ns.trans.get_transport(client)
            prot = ns.proto.get_protocol(itrans)
            try:
                while True:
                    mine.process(prot, prot)
            except Exception:
                itrans.close()

    socket = importlib.import_module(LIB + ".transport").TServerSocket("127.0.0.1", PORT)
    Server(processor, socket, iprot_factory=ns.proto, itrans_factory=ns.trans, daemon=True).serve()


def serve_apache():
    from thrift.server import TServer
    from thrift.transport import TSocket

    socket = TSocket.TServerSocket("127.0.0.1", PORT)
    TServer.TThreadedServer(ns.Test.Processor(Handler()), socket, ns.trans, ns.proto, daemon=True).serve()


def connect():
    if LIB == "apache":
        from thrift.transport import TSocket

        socket = TSocket.TSocket("127.0.0.1", PORT)
        trans = ns.trans.getTransport(socket)
        trans.open()
        return ns.Test.Client(ns.proto.getProtocol(trans)), trans
    import importlib

    socket = importlib.import_module(LIB + ".transport").TSocket("127.0.0.1", PORT)
    trans = ns.trans.get_transport(socket)
    trans.open()
    prot = ns.proto.get_protocol(trans)
    if TRACKING == "tracked":
        tracking = importlib.import_module(LIB + ".contrib.tracking")
        return tracking.TTrackedClient(tracker, ns.Test, prot), trans
    return importlib.import_module(LIB + ".thrift").TClient(ns.Test, prot), trans


def blob(*numbers):
    raw = bytes(bytearray(numbers))
    return raw


def everything():
    inner = t.Inner(name="i", colour=1, children=[t.Inner(name="c", colour=2, children=[])])
    return t.Everything(
        yes=True, tiny=-3, small=-300, medium=7, large=2 ** 60 + 1, real=-1.5, text=u"h\u00e9llo \u2603",
        bytes=blob(0, 255, 128), numbers=[1, -2, 2 ** 31 - 1, -2 ** 31] * 5, words={u"a", u"b"},
        ids={u"x": 2 ** 40, u"y": -1, u"z": -2 ** 63}, colour=10, inner=inner, choice=t.Choice(number=4),
        bits=[True, False, True], nested={-1: [t.Inner(name="q", colour=1, children=[])], 70000: []},
        no=False, far=u"far", deep=[{u"z": {1, 2 ** 50}}, {}])


def plain(value):
    """For comparison: structs as dictionaries, sets as sorted lists."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(v) for v in value)
    if isinstance(value, (list, tuple)):
        # thriftpy reads sets as lists.
        items = [plain(v) for v in value]
        return sorted(items) if items and all(isinstance(i, str) for i in items) else items
    if hasattr(value, "__dict__") and not isinstance(value, (int, float)):
        return {k: plain(v) for k, v in vars(value).items() if v is not None}
    return value


def check_echo(client):
    sent = plain(everything())
    got = plain(client.echo(everything()))
    for one in (sent, got):
        one["deep"] = [{k: sorted(v) for k, v in entry.items()} for entry in one["deep"]]
    assert got == sent, (got, sent)


def check_raises(kind, call, test=lambda error: True):
    try:
        call()
    except kind as error:
        assert test(error), repr(error)
        return
    assert False, "nothing was thrown"


def check_unknown(client, trans):
    if LIB == "apache":
        prot = client._oprot
        from thrift.Thrift import TMessageType, TType

        prot.writeMessageBegin("nobody", TMessageType.CALL, 0)
        prot.writeStructBegin("nobody_args")
        prot.writeFieldStop()
        prot.writeStructEnd()
        prot.writeMessageEnd()
        prot.trans.flush()
        check_raises(ns.App, client.recv_hello, lambda error: error.type == 1)
    else:
        # Its own client knows no such method: one of the service under another name.
        class Args(ns.Test.nop_args):
            pass

        class Result(ns.Test.nop_result):
            pass

        ns.Test.nobody_args, ns.Test.nobody_result = Args, Result
        check_raises(ns.App, lambda: client._req("nobody"), lambda error: error.type == 1)
    assert client.hello("again") == "hi again"


def check_who(client):
    client.hello("first")
    seen = client.who()
    assert seen["client"] == "peer", seen
    assert len(seen["id"]) == 36, seen
    assert seen["rpcId"].isdigit(), seen
    import importlib

    tracking = importlib.import_module(LIB + ".contrib.tracking")
    with tracking.TrackerBase.add_meta(tenant="seven"):
        assert client.who()["tenant"] == "seven"
    if LIB == "thriftpy2":
        client.wait(1)
        assert tracker.reply_meta == {"waited": "1"}, tracker.reply_meta
        check_raises(t.NotFound, lambda: client.fail("missing"))
        assert tracker.reply_meta == {}, tracker.reply_meta


def run_client():
    results = {}
    client, trans = connect()

    def check(name, test):
        try:
            test()
            results[name] = "ok"
        except Exception as error:
            results[name] = "%s: %s" % (type(error).__name__, str(error)[:400])

    def equal(call, wanted):
        def test():
            got = call()
            assert got == wanted, repr(got)
        return test

    check("hello", equal(lambda: client.hello(u"bob"), u"hi bob"))
    check("inherited", equal(lambda: client.ping(), u"pong"))
    check("void", equal(lambda: client.nop(), None))
    check("every type", lambda: check_echo(client))
    check("i64", equal(lambda: client.add(2 ** 62, 1), 2 ** 62 + 1))
    check("list", equal(lambda: client.split(u"a,b,c", u","), [u"a", u"b", u"c"]))
    check("declared exception", lambda: check_raises(
        t.NotFound, lambda: client.fail("missing"), lambda error: error.key == "k" and error.inner.name == "n"))
    check("included exception", lambda: check_raises(
        ns.Refused, lambda: client.fail("refused"), lambda error: error.why == "so" and error.code == 7))
    check("other exception", lambda: check_raises(
        ns.App, lambda: client.fail("boom"), lambda error: error.type == 6 and "secret" not in str(error)))
    check("oneway", lambda: client.shout(u"loud"))
    check("after oneway", equal(lambda: client.heard(), u"loud"))
    check("large", equal(lambda: len(client.hello(u"x" * 300000)), 300003))
    check("unknown method", lambda: check_unknown(client, trans))
    if TRACKING == "tracked":
        check("tracking", lambda: check_who(client))
    trans.close()
    print(json.dumps(results))


if ROLE == "client":
    run_client()
elif LIB == "apache":
    serve_apache()
else:
    serve_dynamic()
