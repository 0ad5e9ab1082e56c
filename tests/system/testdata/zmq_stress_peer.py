"""Peers of the zmq stress run, made to be killed.

push ENDPOINT LIFE FILE SIZE HWM: sends (LIFE, 0), (LIFE, 1), … until SIGTERM; how many stands in FILE before they go.
answer ROUTER REP: answers each request with its bytes in reverse order.
"""
import mmap
import signal
import struct
import sys

import zmq

context = zmq.Context()


def push(endpoint, life, file, size, hwm):
    socket = context.socket(zmq.PUSH)
    socket.sndhwm = int(hwm)
    socket.sndbuf = 65536
    socket.linger = -1
    socket.connect(endpoint)
    going = True

    def stop(_signal, _frame):
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    with open(file, "r+b") as opened:
        progress = mmap.mmap(opened.fileno(), 8)
    pack = struct.Struct("<II").pack
    life = int(life)
    padding = bytes(max(0, int(size) - 8))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sent = 0
    while going:
        struct.pack_into("<Q", progress, 0, sent + 100)
        for n in range(sent, sent + 100):
            socket.send(pack(life, n) + padding)
        sent += 100
    socket.close()
    context.term()


def answer(router, rep):
    sockets = [context.socket(zmq.ROUTER), context.socket(zmq.REP)]
    poller = zmq.Poller()
    for socket, endpoint in zip(sockets, (router, rep)):
        socket.linger = 0
        socket.bind(endpoint)
        poller.register(socket, zmq.POLLIN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for socket, _ in poller.poll():
            try:
                for _ in range(100):
                    *envelope, body = socket.recv_multipart(zmq.DONTWAIT)
                    socket.send_multipart([*envelope, body[::-1]])
            except zmq.Again:
                pass


{"push": push, "answer": answer}[sys.argv[1]](*sys.argv[2:])
