# SPDX-License-Identifier: Apache-2.0
"""Values at and beyond every limit that the schemas of /openapi.json state."""

import re

JSON_TYPES = {
    "object": {},
    "array": [],
    "string": "text",
    "integer": 7,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


class Schemas:
    """Walks the schemas of one description."""

    def __init__(self, description):
        self.description = description

    def resolve(self, schema):
        while "$ref" in schema:
            node = self.description
            for part in schema["$ref"].split("/")[1:]:
                node = node[part]
            schema = node
        return schema

    def alternatives(self, schema):
        """The schema, or what it may be instead (nullable ids and the like)."""
        schema = self.resolve(schema)
        found = [self.resolve(s) for s in schema.get("oneOf", ())]
        return [s for s in found if "type" in s] or [schema]

    def types(self, schema):
        """Names of the JSON types that are allowed."""
        found = set()
        for one in self.alternatives(schema):
            kind = one["type"]
            found |= set(kind if isinstance(kind, list) else [kind])
        return found

    def leaves(self, schema, at=()):
        """(path, schema) of everything below; '*' stands for an item of an array or a member of a map."""
        for one in self.alternatives(schema):
            yield at, one
            for name, member in one.get("properties", {}).items():
                yield from self.leaves(member, (*at, name))
            if isinstance(one.get("items"), dict):
                yield from self.leaves(one["items"], (*at, "*"))
            if isinstance(one.get("additionalProperties"), dict):
                yield from self.leaves(one["additionalProperties"], (*at, "*"))

    def sample(self, schema, ids):
        """A right value; ids: {prefix: id}."""
        one = self.alternatives(schema)[0]
        kind = one["type"] if isinstance(one["type"], str) else one["type"][0]
        if "enum" in one:
            return one["enum"][0]
        if kind == "string":
            prefix = re.match(r"\^([a-z]{3})_", one.get("pattern", ""))
            return ids[prefix[1]] if prefix else "x" * max(1, one.get("minLength", 1))
        if kind in ("integer", "number"):
            return one.get("minimum", 1)
        if kind == "array":
            return [self.sample(one["items"], ids) for _ in range(max(1, one.get("minItems", 1)))]
        if kind == "object":
            return {
                name: self.sample(one["properties"][name], ids)
                for name in one.get("required", ())
                if name in one.get("properties", {})
            }
        return JSON_TYPES[kind]

    # --- beyond -------------------------------------------------------------------------------------

    def beyond(self, schema, ids):
        """(what, value) that the schema does not allow."""
        allowed = self.types(schema)
        for name, value in JSON_TYPES.items():
            if name not in allowed and not (name == "integer" and "number" in allowed):
                yield f"a {name}", value
        for one in self.alternatives(schema):
            kind = one["type"] if isinstance(one["type"], str) else one["type"][0]
            if len(self.alternatives(schema)) == 1 or "pattern" in one:
                yield from getattr(self, "beyond_" + kind, lambda *_: ())(one, ids)

    def beyond_string(self, one, ids):
        if "enum" in one:
            yield from (("no enum value", "no-such-value"), ("an enum value and more", one["enum"][0] + "x"))
            if one["enum"][0] != one["enum"][0].upper():
                yield "an enum value in capitals", one["enum"][0].upper()
            return
        if one.get("minLength", 0) > 0:
            yield "one letter too few", self.fitting(one, one["minLength"] - 1, ids)
        if "maxLength" in one:
            yield "one letter too many", self.fitting(one, one["maxLength"] + 1, ids)
        if "pattern" in one:
            yield "what the pattern excludes", "NOT/valid!"
        prefix = re.match(r"\^([a-z]{3})_", one.get("pattern", ""))
        if prefix:
            other = next(i for p, i in ids.items() if p != prefix[1])
            yield from (
                ("an id of another type", other),
                ("an id in capitals", ids[prefix[1]].upper()),
                ("an id with a letter that is none", ids[prefix[1]][:-1] + "u"),
                ("a bare uuid", "00000000-0000-7000-8000-000000000001"),
            )

    @staticmethod
    def fitting(one, n, ids):
        prefix = re.match(r"\^([a-z]{3})_", one.get("pattern", ""))
        if prefix:
            return (ids[prefix[1]] + "0")[:n]
        return ("0" if "0-9a-f]{8}" in one.get("pattern", "") else "x") * n

    @staticmethod
    def beyond_integer(one, ids):
        for name, step in (("minimum", -1), ("maximum", 1)):
            if name in one and -(1 << 63) <= one[name] + step < 1 << 63:
                yield f"{name} and one beyond", one[name] + step
        yield from (("a fraction", 1.5), ("the greatest integer and one", 1 << 63), ("a huge number", 10**40))

    @staticmethod
    def beyond_number(one, ids):
        if "minimum" in one:
            yield "less than the minimum", one["minimum"] / 2
        if "maximum" in one:
            yield "more than the maximum", one["maximum"] + 1

    def beyond_array(self, one, ids):
        if one.get("minItems", 0) > 0:
            yield "an item too few", [self.sample(one["items"], ids)] * (one["minItems"] - 1)
        if "maxItems" in one:
            yield "an item too many", [self.sample(one["items"], ids)] * (one["maxItems"] + 1)

    def beyond_object(self, one, ids):
        if one.get("additionalProperties") is False:
            yield "an unknown member", {**self.sample(one, ids), "no_such_member": 1}

    # --- at the limit -------------------------------------------------------------------------------

    def within(self, schema, ids):
        """(what, value) at the limits, which the schema allows."""
        for one in self.alternatives(schema):
            kind = one["type"] if isinstance(one["type"], str) else one["type"][0]
            if "enum" in one:
                yield from ((f"enum value {value}", value) for value in one["enum"])
            elif (
                kind == "string"
                and "maxLength" in one
                and "format" not in one
                and not re.match(r"\^([a-z]{3}_|\[0-9a-f)", one.get("pattern", ""))
            ):
                yield "the longest text", "x" * one["maxLength"]
                if "pattern" not in one:
                    yield "the longest text, of two bytes a letter", "\u00e9" * one["maxLength"]
                    yield "the longest text, of four bytes a letter", "\U0001f600" * one["maxLength"]
                yield "the shortest text", "x" * max(1, one.get("minLength", 1))
            elif kind in ("integer", "number"):
                yield from ((name, one[name]) for name in ("minimum", "maximum") if name in one)
        if "null" in self.types(schema):
            yield "null", None


def place(schemas, schema, base, path, value, ids):
    """A copy of `base` with the value at `path`; containers on the way are made."""
    if not path:
        return value
    one = schemas.alternatives(schema)[0]
    name, rest = path[0], path[1:]
    if name == "*" and "items" in one:
        items = list(base) if isinstance(base, list) and base else schemas.sample(one, ids)
        return [place(schemas, one["items"], items[0], rest, value, ids), *items[1:]]
    if name == "*":
        key, below = "team", one["additionalProperties"]
        if one["additionalProperties"].get("type") == ["integer", "null"]:
            key = "jobs_queued"
    else:
        key, below = name, one["properties"][name]
    made = dict(base) if isinstance(base, dict) else schemas.sample(one, ids)
    made[key] = place(schemas, below, made.get(key), rest, value, ids)
    return made


def pointer(path):
    """JSON Pointer of a path; items are the first."""
    return "".join("/" + ("0" if part == "*" else part) for part in path)
