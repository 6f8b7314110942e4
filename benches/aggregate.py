"""DuckDB and Polars, asked for the same numbers in turn. Called by aggregate.rs.

    python aggregate.py TABLE.csv THREADS

Reads `duckdb` or `polars` a line, answers with `SECONDS COUNT LARGEST SUM …`, machines in order. Both are told the types
of the columns, so that neither spends time on guessing them, and read only the columns that the question names. The
mean that they are asked for becomes the sum again, which can be compared exactly.
"""

import sys
import time

import duckdb
import polars as pl

table, threads = sys.argv[1], int(sys.argv[2])
database = duckdb.connect()
database.execute(f"SET threads = {threads}")

COLUMNS = {
    "run": "VARCHAR",
    "machine": "INTEGER",
    "index": "BIGINT",
    "at": "VARCHAR",
    "at_us": "BIGINT",
    "kind": "VARCHAR",
    "clock": "BIGINT",
    "jump": "BIGINT",
    "from": "INTEGER",
    "sent": "BIGINT",
    "queue": "BIGINT",
    "waited_us": "BIGINT",
    "to": "VARCHAR",
    "line": "BIGINT",
}
POLARS = {"VARCHAR": pl.String, "INTEGER": pl.Int32, "BIGINT": pl.Int64}
SQL = f"""
    SELECT machine, count(*), max(jump), avg(jump)
    FROM read_csv('{table}', header = true, delim = ',', quote = '"', auto_detect = false, columns = {COLUMNS})
    GROUP BY machine
"""


def ask_duckdb():
    return database.sql(SQL).fetchall()


def ask_polars():
    schema = {name: POLARS[kind] for name, kind in COLUMNS.items()}
    frame = pl.scan_csv(table, schema=schema)
    groups = frame.group_by("machine").agg(pl.len(), pl.max("jump").alias("largest"), pl.mean("jump").alias("mean"))
    # The faster of its two engines here.
    return groups.collect(engine="streaming").rows()


asks = {"duckdb": ask_duckdb, "polars": ask_polars}
print(f"duckdb {duckdb.__version__}, polars {pl.__version__}, {threads} threads", flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    rows = asks[line.strip()]()
    took = time.perf_counter() - began
    numbers = [number for _, count, largest, mean in sorted(rows) for number in (count, largest, round(mean * count))]
    print(f"{took:.6f}", *numbers, flush=True)
