"""The handler as WSGI, for gunicorn and uWSGI; run as a program it is served by bjoern."""
import json


def application(environ, start_response):
    body = json.dumps({"message": "Hello, World!", "user": 42, "groups": ["control", "button", "automatic"]}).encode()
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    import os

    import bjoern

    bjoern.run(application, "127.0.0.1", int(os.environ["PORT"]), reuse_port=True)
