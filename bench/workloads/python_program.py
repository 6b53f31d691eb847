"""Do the work of the ``python`` workload, run by the image's own ``python3`` with its standard library alone.

``python_workload.py ROUNDS`` does ROUNDS equal rounds of five parts and prints the seconds of each part as JSON. All
data is generated from a fixed seed, and each part checks its own result: a place that computes wrongly fails instead of
being fast.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import sqlite3
import sys
import time
import zlib

PARTS = ("json", "regex", "containers", "zlib", "sqlite")
_RECORDS = 1000


def make_records(count: int = _RECORDS) -> list[dict[str, object]]:
    """Make ``count`` records such as a web service passes around, always the same."""
    draw = random.Random(20)  # noqa: S311 - repeatable is what is wanted
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(300)]
    return [
        {
            "id": number,
            "user": f"{draw.choice(words)}.{draw.choice(words)}@{draw.choice(words)}.example",
            "tags": draw.sample(words, 4),
            "score": draw.random(),
            "nested": {"x": draw.randint(0, 10**6), "text": " ".join(draw.choices(words, k=12))},
        }
        for number in range(count)
    ]


def check(holds: bool, part: str) -> None:
    """End the program if a part computed a wrong result."""
    if not holds:
        sys.exit(f"python workload: {part} came to a wrong result")


def do_json(records: list[dict[str, object]]) -> None:
    """Encode and decode records as JSON."""
    check(json.loads(json.dumps(records)) == records, "json")


def do_regex(records: list[dict[str, object]]) -> None:
    """Find, group and replace in text, by regular expressions."""
    text = "\n".join(f"{record['user']} {record['nested']}" for record in records)
    found = re.findall(r"(\w+)\.(\w+)@(\w+)\.example", text)
    replaced = re.sub(r"\b([aeiou]\w+)\b", r"<\1>", text)
    check(len(found) == len(records) and len(replaced) > len(text), "regex")


def do_containers(records: list[dict[str, object]]) -> None:
    """Group the records into dicts, sort by two keys, intersect sets."""
    groups: dict[str, list[dict[str, object]]] = {}
    for record in records:
        for tag in record["tags"]:  # type: ignore[attr-defined]  # plain data without types
            groups.setdefault(tag, []).append(record)
    ordered = [sorted(group, key=lambda item: (item["user"], item["score"])) for group in groups.values()]
    common = [
        {item["id"] for item in one} & {item["id"] for item in two}
        for one, two in itertools.pairwise(ordered)
    ]
    check(sum(map(len, ordered)) == 4 * len(records) and len(common) == len(ordered) - 1, "containers")


def do_zlib(records: list[dict[str, object]]) -> None:
    """Compress and expand by zlib, a C library."""
    data = repr(records).encode()
    check(zlib.decompress(zlib.compress(data, 6)) == data, "zlib")


def do_sqlite(records: list[dict[str, object]]) -> None:
    """Insert into, index and aggregate a SQLite database in memory."""
    base = sqlite3.connect(":memory:")
    base.execute("create table item (id integer primary key, user text, score real)")
    base.executemany("insert into item values (:id, :user, :score)", records)
    base.execute("create index by_user on item (user)")
    rows = base.execute(
        "select substr(user, 1, 1), count(*), avg(score) from item group by 1 order by 2"
    ).fetchall()
    base.close()
    check(sum(row[1] for row in rows) == len(records), "sqlite")


def run(rounds: int) -> dict[str, float]:
    """Do all rounds; return the seconds by part."""
    records = make_records()
    work = (do_json, do_regex, do_containers, do_zlib, do_sqlite)
    seconds = dict.fromkeys(PARTS, 0.0)
    for _ in range(rounds):
        for part, function in zip(PARTS, work, strict=True):
            began = time.perf_counter()
            function(records)
            seconds[part] += time.perf_counter() - began
    return seconds


if __name__ == "__main__":
    ROUNDS = int(sys.argv[1])
    json.dump({"rounds": ROUNDS, "seconds": run(ROUNDS), "python": sys.version.split()[0]}, sys.stdout)
