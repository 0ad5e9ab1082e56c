"""A Thrift server in Python for every configuration it is told of: each on a port of its own, all with one handler."""
import json
import sys
import threading

from libraries import library
from values import Values, same, text

told = json.load(open(sys.argv[1]))
lib = library(told)
values = Values(told, lib.make)
shouted = set()


class Handler:
    def ping(self):
        return "pong"

    def nop(self):
        pass

    def fail(self, how):
        if how == "missing":
            raise lib.make("NotFound")(key="k")
        if how == "refused":
            raise lib.make("Refused")(why="so", code=8)
        if how == "undeclared":
            raise RuntimeError("a secret")
        return how

    def failVoid(self, how):
        if how == "missing":
            raise lib.make("NotFound")(key="k")

    # thriftpy and Apache Thrift take arguments in the order of the IDL or of their numbers.
    def several(self, text, *others):
        yes = next(one for one in others if isinstance(one, bool))
        number = next(one for one in others if not isinstance(one, bool))
        return "%s %d %s" % (text, number, "yes" if yes else "no")

    ordered = several

    def shout(self, text):
        shouted.add(text)

    def heard(self, text):
        return "heard" if text in shouted else "never"

    def who(self):
        return lib.who()


def echo(method, kind, forms):
    def answer(self, value):
        seen = values.form(kind, value)
        for form in forms:
            if same(form, seen):
                return values.native(kind, form)
        raise lib.make("Mismatch")(seen=text(seen))
    setattr(Handler, method, answer)


echoes = {}
for case in told["cases"]:
    if case["kind"] == "echo":
        echoes.setdefault(case["method"], (case["type"], []))[1].append(case["seen"])
for method, (kind, forms) in echoes.items():
    echo(method, kind, forms)

for configuration in told["configurations"]:
    threading.Thread(target=lib.serve, args=(configuration, Handler()), daemon=True).start()
sys.stdin.read()
