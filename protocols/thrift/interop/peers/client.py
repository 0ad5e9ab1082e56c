"""A Thrift client in Python that asks every case in every configuration: a line of JSON for each."""
import json
import sys

from libraries import library
from values import Values, same, text

told = json.load(open(sys.argv[1]))
lib = library(told)
values = Values(told, lib.make)


def ask(configuration, client, case):
    """What is wrong, or None."""
    method, kind = getattr(client, case["method"]), case["kind"]
    if kind == "echo":
        seen = values.form(case["type"], method(values.native(case["type"], case["sent"][0])))
        return None if same(seen, case["seen"]) else text(seen)
    if kind == "oneway":
        mine = configuration["name"] + case["sent"][0]
        method(mine)
        return None if client.heard(mine) == "heard" else "not heard"
    if kind == "who":
        return who(configuration, client)
    try:
        if case["method"] in ("several", "ordered"):
            # By name: libraries have two opinions on the order.
            sent = case["sent"]
            result = method(text=sent[0], number=sent[1], yes=sent[2])
        else:
            result = method(*case["sent"])
    except lib.unknown as error:
        if kind == "unknown":
            return None if error.type == 1 else str(error)
        # Where the server closes the connection instead, there is none.
        if kind == "error":
            return None if error.type == 6 and "secret" not in str(error) else "%s %s" % (error.type, error)
        raise
    except Exception as error:
        if kind != "throws" or type(error).__name__ != case["throws"]:
            raise
        seen = values.form(["struct", case["throws"]], error)
        return None if same(seen, case["seen"]) else text(seen)
    if kind == "void":
        return None if result is None else repr(result)
    return None if kind == "returns" and result == case["seen"] else repr(result)


def who(configuration, client):
    said = client.who()
    version = min(configuration["tracking"], configuration["theirs"])
    if version == 0:
        return None if "tenant" not in said else text(said)
    wanted = {"id": "rid-" + configuration["name"], "client": "peer", "tenant": "t1"}
    wrong = {name: said.get(name) for name, one in wanted.items() if said.get(name) != one}
    if not said.get("seq", "").isdigit() or wrong:
        return text(said)
    shard = getattr(client.tracker, "shard", None)
    return None if shard == ("3" if version == 2 else None) else "reply meta: %s" % shard


for configuration in told["configurations"]:
    client = link = None
    for number, case in enumerate(told["cases"]):
        if number in configuration["skip"]:
            continue
        try:
            if client is None:
                client, link = lib.client(configuration)
            trouble = ask(configuration, client, case)
        except Exception as error:
            trouble = "%s: %s" % (type(error).__name__, error)
            if link is not None:
                link.close()
            client = link = None
        print(json.dumps({"configuration": configuration["name"], "case": number, "trouble": trouble}))
    if link is not None:
        link.close()
