"""The loop that people write: PORT and KIND from the environment."""
import os

import zmq

context = zmq.Context()
kind = os.environ["KIND"]
socket = context.socket(zmq.PULL if kind == "pull" else zmq.ROUTER)
socket.bind("tcp://127.0.0.1:" + os.environ["PORT"])
print("listens", flush=True)
count = 0
if kind == "pull":
    while True:
        count += len(socket.recv())
else:
    while True:
        socket.send_multipart(socket.recv_multipart())
