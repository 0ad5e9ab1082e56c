"""A ZeroMQ peer that does what it is told: a command as a line of JSON, an answer as a line of JSON. Bytes are base64."""
import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import time

import msgpack
import zmq

context = zmq.Context()
sockets = {}


def sign(secret, topic, body, answered=None, at=None, nonce=None):
    """The signature part, as the header of signature.ts describes it."""
    nonce = nonce or os.urandom(16)
    head = struct.pack(">BQ", 1, int((at or time.time()) * 1000)) + nonce
    mac = hmac.new(secret.encode(), b"weir-zmq-1" + head, hashlib.sha256)
    mac.update(answered[9:25] if answered else bytes(16))
    for part in [topic] + body:
        mac.update(struct.pack(">I", len(part)) + part)
    return head + mac.digest()


def bytes_of(parts):
    return [base64.b64decode(part) for part in parts]


def text_of(parts):
    return [base64.b64encode(part).decode() for part in parts]


def make(c):
    socket = context.socket(getattr(zmq, c["type"].upper()))
    socket.linger = c.get("linger", 0)
    socket.sndtimeo = 5000
    for name, value in c.get("options", {}).items():
        setattr(socket, name, value if isinstance(value, int) else value.encode())
    if "hwm" in c:
        socket.set_hwm(c["hwm"])
    for topic in c.get("subscribe", []):
        socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
    for endpoint in c.get("bind", []):
        socket.bind(endpoint)
    for endpoint in c.get("connect", []):
        socket.connect(endpoint)
    sockets[c["socket"]] = socket


def receive(c):
    socket = sockets[c["socket"]]
    if not socket.poll(c.get("timeoutMs", 5000)):
        return {"parts": None}
    return {"parts": text_of(socket.recv_multipart())}


def serve(c):
    """Answers `count` messages of a rep or router socket: the body comes back, after what is before it."""
    socket = sockets[c["socket"]]
    for _ in range(c["count"]):
        if not socket.poll(c.get("timeoutMs", 5000)):
            return {"served": False}
        socket.send_multipart(socket.recv_multipart())
    return {"served": True}


def do(c):
    what = c["do"]
    if what == "make":
        make(c)
    elif what == "send":
        sockets[c["socket"]].send_multipart(bytes_of(c["parts"]))
    elif what == "sendMany":
        for number in range(c["from"], c["to"]):
            sockets[c["socket"]].send(json.dumps({"n": number}).encode())
    elif what == "trySend":
        try:
            sent = 0
            for _ in range(c["count"]):
                sockets[c["socket"]].send_multipart(bytes_of(c["parts"]), zmq.DONTWAIT)
                sent += 1
        except zmq.Again:
            pass
        return {"sent": sent}
    elif what == "receive":
        return receive(c)
    elif what == "serve":
        return serve(c)
    elif what == "close":
        sockets.pop(c["socket"]).close()
    elif what == "sign":
        answered = base64.b64decode(c["answered"]) if c.get("answered") else None
        at = time.time() + c.get("shiftMs", 0) / 1000
        part = sign(c["secret"], base64.b64decode(c.get("topic", "")), bytes_of(c["body"]), answered, at)
        return {"part": base64.b64encode(part).decode()}
    elif what == "verify":
        part = base64.b64decode(c["part"])
        answered = base64.b64decode(c["answered"]) if c.get("answered") else None
        at = struct.unpack(">Q", part[1:9])[0] / 1000
        wanted = sign(c["secret"], base64.b64decode(c.get("topic", "")), bytes_of(c["body"]), answered, at, part[9:25])
        return {"good": wanted[9:] == part[9:]}
    elif what == "pack":
        return {"part": base64.b64encode(msgpack.packb(c["value"])).decode()}
    elif what == "unpack":
        return {"value": msgpack.unpackb(base64.b64decode(c["part"]))}
    elif what == "keys":
        public, secret = zmq.curve_keypair()
        return {"publicKey": public.decode(), "secretKey": secret.decode()}
    return {}


print(json.dumps({"ready": zmq.zmq_version()}), flush=True)
for line in sys.stdin:
    try:
        answer = do(json.loads(line))
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
os._exit(0)
