"""Make orders in a SQLite database, each a transaction of its own: ``python3 sqlite_program.py FOLDER TRANSACTIONS``.

Prints one JSON object. It runs in places, so it imports nothing but the standard library, and of that no ``json`` and no
``pathlib``: they would take as much CPU time as 700 transactions.
"""

import os
import sqlite3
import sys
import time

LINES = 5
_PRODUCTS = 1000


def main(folder: str, transactions: int) -> None:
    """Fill a database in a folder, and print how long its transactions took."""
    path = os.path.join(folder, "tare-orders.db")
    for left in (path, f"{path}-wal", f"{path}-shm"):
        if os.path.exists(left):
            os.unlink(left)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.executescript(
        "CREATE TABLE product (id INTEGER PRIMARY KEY, price INTEGER, stock INTEGER);"
        "CREATE TABLE line (id INTEGER PRIMARY KEY, bill INTEGER, product INTEGER, price INTEGER);"
        "CREATE INDEX line_bill ON line (bill);"
    )
    rows = [(number, number * 7 % 911, 1000) for number in range(_PRODUCTS)]
    database.execute("BEGIN")
    database.executemany("INSERT INTO product VALUES (?, ?, ?)", rows)
    database.execute("COMMIT")
    times, total = [], 0
    began = time.monotonic_ns()
    for bill in range(transactions):
        start = time.monotonic_ns()
        total += order(database, bill)
        times.append(time.monotonic_ns() - start)
    elapsed = time.monotonic_ns() - began
    version = sqlite3.sqlite_version
    print(f'{{"elapsed_ns": {elapsed}, "times_ns": {times}, "total": {total}, "version": "{version}"}}')
    database.close()
    os.unlink(path)


def order(database: sqlite3.Connection, bill: int) -> int:
    """Add a bill of some lines, take them from the stock and sum the bill up, in one transaction."""
    database.execute("BEGIN IMMEDIATE")
    for line in range(LINES):
        product = (bill * 31 + line * 197) % _PRODUCTS
        (price,) = database.execute("SELECT price FROM product WHERE id = ?", (product,)).fetchone()
        words = (bill, product, price)
        database.execute("INSERT INTO line (bill, product, price) VALUES (?, ?, ?)", words)
        database.execute("UPDATE product SET stock = stock - 1 WHERE id = ?", (product,))
    (total,) = database.execute("SELECT sum(price) FROM line WHERE bill = ?", (bill,)).fetchone()
    database.execute("COMMIT")
    return int(total)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
