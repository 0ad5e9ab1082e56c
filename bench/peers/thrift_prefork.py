"""
A pre-fork server with thriftpy2 as gunicorn_thrift's synchronous worker is one: WORKERS processes accept on one socket,
each serves one connection at a time until it ends.
"""
import os
import signal
import socket
import sys

import thriftpy2
from thriftpy2.protocol import TCyBinaryProtocolFactory
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TCyBufferedTransportFactory, TSocket, TTransportException

idl = thriftpy2.load(os.path.join(os.path.dirname(__file__), "thrift_hello.thrift"), module_name="hello_thrift")


class Handler:
    def hello(self, name):
        return "hello " + name


def serve(listening):
    transports, protocols = TCyBufferedTransportFactory(), TCyBinaryProtocolFactory()
    processor = TProcessor(idl.Hello, Handler())
    while True:
        accepted, _ = listening.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = TSocket()
        link.set_handle(accepted)
        transport = transports.get_transport(link)
        protocol = protocols.get_protocol(transport)
        try:
            while True:
                processor.process(protocol, protocol)
        except (TTransportException, OSError):
            transport.close()


listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("127.0.0.1", int(os.environ["PORT"])))
listening.listen(128)
workers = []
for _ in range(int(os.environ["WORKERS"])):
    worker = os.fork()
    if worker == 0:
        serve(listening)
    workers.append(worker)


def stop(*_):
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
    sys.exit()


signal.signal(signal.SIGTERM, stop)
while True:
    signal.pause()
