# SPDX-License-Identifier: Apache-2.0
"""The statements of the program, as they are prepared, and arguments for them out of a tenant's rows."""

import re
import uuid

from wardian import TOP

MARKER = re.compile(r"^-- :name (\w+) :role ([\w,]+)\n", re.M)
TENANT_FILTER = re.compile(r"(?:\b\w+\.)?tenant_id = \$1(?:::uuid)?")
MOST = {"uuid": uuid.UUID(int=(1 << 128) - 1), "bigint": 1 << 40, "integer": 1 << 30}
LEAST = {"uuid": uuid.UUID(int=0), "bigint": 0, "integer": 0}


class Statement:
    """name, roles and text of one `-- :name` block."""

    def __init__(self, name, roles, text):
        self.name, self.roles, self.text = name, roles.split(","), text.strip().rstrip(";")
        plain = re.sub(r"--[^\n]*", "", self.text)
        self.writes = bool(re.search(r"\b(insert into|update|delete from)\b", plain))
        self.n = max((int(n) for n in re.findall(r"\$(\d+)", plain)), default=0)
        self.plain = plain

    def without_filters(self):
        """(which, text) with each one of the tenant's filters gone, and with all of them gone."""
        found = list(TENANT_FILTER.finditer(self.text))
        for i, m in enumerate(found):
            yield f"{i + 1} of {len(found)}", self.text[: m.start()] + "true" + self.text[m.end() :]
        if len(found) > 1:
            yield "all", TENANT_FILTER.sub("true", self.text)


def statements(role):
    """Of every module, those that the role runs and that name a table."""
    found = []
    for path in sorted((TOP / "src").glob("*/*.sql")):
        text = path.read_text()
        marks = list(MARKER.finditer(text))
        for mark, after in zip(marks, [*marks[1:], None]):
            one = Statement(mark[1], mark[2], text[mark.end() : after.start() if after else len(text)])
            if role in one.roles:
                found.append(one)
    assert len({s.name for s in found}) == len(found) > 50
    return found


# --- what a parameter is compared with or written to ---------------------------------------------


def split_commas(text):
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def aliases(text, tables):
    found = {}
    for table, alias in re.findall(r"\b(?:from|join|update|into)\s+(\w+)(?:\s+(?:as\s+)?(\w+))?", text):
        if table in tables:
            found.setdefault(table, table)
            if alias and alias not in ("set", "where", "on", "join", "left", "order", "limit", "cross", "values"):
                found.setdefault(alias, table)
    return found


def hints(statement, tables):
    """{parameter: (how, table or None, column)}; how: insert, set, or an operator."""
    text, found = statement.plain, {}
    names = aliases(text, tables)
    first = next(iter(names.values()), None)
    for table, columns, values in re.findall(
        r"insert into (\w+)(?: \w+)? \(([^)]*)\)\s*(?:values \(|select )((?:[^;](?!\bfrom\b|\breturning\b|\bon conflict\b))*)",
        text,
    ):
        for column, value in zip(columns.split(","), split_commas(values)):
            for n in re.findall(r"\$(\d+)", value):
                found.setdefault(int(n), ("insert", table, column.strip()))
    for alias, column, operator, n in re.findall(
        r"(?:\b(\w+)\.)?\b(\w+)\s*(= any \(|<=|>=|=|<|>|is not distinct from|is distinct from)\s*"
        r"(?:coalesce\(|case when )?\$(\d+)",
        text,
    ):
        set_clause = operator == "=" and re.search(
            rf"\bset\b(?:(?!\bwhere\b).)*\b{column} = (?:coalesce\(|case when )?\${n}\b", text, re.S
        )
        found.setdefault(int(n), ("set" if set_clause else operator, names.get(alias, first), column))
    for n in re.findall(r"limit \$(\d+)", text):
        found[int(n)] = ("limit", None, "")
    for column, n in re.findall(r"starts_with\(\w+\.(\w+), \$(\d+)", text):
        found[int(n)] = ("prefix", first, column)
    return found


class Rows:
    """All rows of one tenant: {table: [{column: value}]}, and the primary key's last column."""

    def __init__(self, database, tenant, tables):
        self.rows, self.keys = {}, {}
        for table in tables:
            columns = [
                r[0]
                for r in database.rows(
                    "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
                    table,
                )
            ]
            chosen = ", ".join(f'"{c}"' for c in columns)
            self.rows[table] = [
                dict(zip(columns, row))
                for row in database.rows(f"select {chosen} from {table} where tenant_id = %s order by ctid", tenant)
            ]
            self.keys[table] = database.value(
                "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid "
                "and a.attnum = i.indkey[i.indnkeyatts - 1] where i.indrelid = %s::regclass and i.indisprimary",
                table,
            )

    def value(self, table, column, i):
        """A value of this column: of row i of the table, else of any other table's."""
        for name in (table, *self.rows) if table else self.rows:
            rows = self.rows[name]
            if rows and column in rows[0]:
                return rows[i % len(rows)][column]
        return None


def fresh(kind, i):
    return {"uuid": uuid.uuid4(), "text": f"fresh{i:07d}"[:12], "bigint": 1000 + i, "integer": 1000 + i}.get(kind)


def argument(rows, hint, kind, i):
    """A value for one parameter, or None for NULL."""
    how, table, column = hint
    if how == "limit":
        return 200
    if how in ("<", "<="):
        return MOST.get(kind)
    if how in (">", ">="):
        return LEAST.get(kind)
    if how == "prefix":
        return ""
    if how == "insert" and column in (rows.keys.get(table), "name", "public_id", "key"):
        return fresh(kind, i)
    value = rows.value(table, column, i)
    if kind.endswith("[]"):
        return value if isinstance(value, list) else None if value is None else [value]
    return value


DEFAULTS = {
    "text": "text",
    "uuid": None,
    "bigint": 1,
    "integer": 1,
    "boolean": True,
    "jsonb": {},
    "uuid[]": None,
    "timestamp with time zone": "2030-01-01T00:00:00Z",
    "text[]": [],
    "bytea": b"\0" * 32,
    "bigint[]": [],
    "double precision[]": [],
}


def variants(statement, types, rows, tables, given=None):
    """Lists of arguments but the first one, which is the tenant."""
    known = hints(statement, tables)
    optional = {int(n) for n in re.findall(r"\$(\d+)(?:::[\w\[\]]+)? is null", statement.plain)}
    seen = []
    for nulls in ((True, False) if optional else (False,)):
        for i in range(24):
            values, told = [], given(rows, i) if given else {}
            for n, kind in list(enumerate(types, 1))[1:]:
                value = DEFAULTS[kind] if n not in known else argument(rows, known[n], kind, i)
                if nulls and n in optional:
                    value = None
                if n in told:
                    value = told[n]
                values.append(value)
            if values not in seen:
                seen.append(values)
                yield values
