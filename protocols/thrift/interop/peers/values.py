"""Values of the matrix: from the form of cases.ts to what a Python library takes, and back."""
import json
import math


class Values:
    """`make(name)` is the class of a struct."""

    def __init__(self, told, make):
        self.structs = told["structs"]
        self.make = make

    def native(self, kind, form):
        if isinstance(kind, str):
            if kind == "i64":
                return int(form)
            if kind == "double":
                return float(form.replace("Infinity", "inf")) if isinstance(form, str) else float(form)
            return bytes.fromhex(form) if kind == "binary" else form
        if kind[0] == "list":
            return [self.native(kind[1], one) for one in form]
        if kind[0] == "set":
            return set(self.native(kind[1], one) for one in form)
        if kind[0] == "map":
            return {self.native(kind[1], key): self.native(kind[2], one) for key, one in form}
        made = {name: self.native(self.structs[kind[1]][name], one) for name, one in form.items()}
        return self.make(kind[1])(**made)

    def form(self, kind, value):
        if isinstance(kind, str):
            if kind == "i64":
                return str(value)
            if kind == "double":
                return double(value)
            if kind == "bool":
                return bool(value) if isinstance(value, (bool, int)) else repr(value)
            if kind == "binary":
                # thriftpy takes bytes for text where it can.
                return (value.encode() if isinstance(value, str) else bytes(value)).hex()
            return value
        if kind[0] == "list":
            return [self.form(kind[1], one) for one in value]
        if kind[0] == "set":
            return sorted((self.form(kind[1], one) for one in value), key=text)
        if kind[0] == "map":
            pairs = [[self.form(kind[1], key), self.form(kind[2], one)] for key, one in value.items()]
            return sorted(pairs, key=lambda pair: text(pair[0]))
        fields = {name: getattr(value, name) for name in self.structs[kind[1]]}
        return {
            name: self.form(self.structs[kind[1]][name], one)
            for name, one in fields.items() if one is not None
        }


def text(form):
    """The order of sets and maps, and what is compared."""
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def double(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "-0" if value == 0 and math.copysign(1, value) < 0 else value


def same(one, other):
    """True and 1 are not the same, 1 and 1.0 are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other
