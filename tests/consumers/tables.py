"""Reads CSV and Parquet exports with DuckDB, Polars and pyarrow and compares them with the logs.

    python tables.py FOLDER LOGS    FOLDER: runs/*.parquet and runs/*.csv; LOGS: their run folders
"""

import glob
import sys
from collections import defaultdict

import duckdb
import polars as pl
import pyarrow.parquet as pq

folder, logs = sys.argv[1:]


def truth():
    """Events, largest and mean jump by machine, counted from the lines of the logs themselves."""
    jumps = defaultdict(list)
    for path in glob.glob(f"{logs}/*/machine-*.log"):
        last = 0
        machine = int(path.rsplit("-", 1)[1].removesuffix(".log"))
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("#"):
                    continue
                fields = dict(word.split("=") for word in line.split()[2:])
                jumps[machine].append(int(fields["clock"]) - last)
                last = int(fields["clock"])
    return {machine: (len(all), max(all), sum(all) / len(all)) for machine, all in jumps.items()}


def agree(what, rows):
    got = {int(machine): (count, largest, mean) for machine, count, largest, mean in rows}
    for machine, (count, largest, mean) in truth().items():
        assert got[machine][:2] == (count, largest), (what, machine, got[machine], count, largest)
        assert abs(got[machine][2] - mean) < 1e-9, (what, machine, got[machine], mean)
    assert len(got) == len(truth()), (what, got)
    print(f"{what}: {sum(row[0] for row in got.values())} events of {len(got)} machines agree with the logs")


files = f"{folder}/*.parquet"
# The lines of the README.
agree(
    "DuckDB, Parquet",
    duckdb.sql(f"SELECT machine, count(*), max(jump), avg(jump) FROM '{files}' GROUP BY machine").fetchall(),
)
agree(
    "Polars, Parquet",
    pl.scan_parquet(files)
    .group_by("machine")
    .agg(pl.len(), pl.max("jump").alias("largest"), pl.mean("jump").alias("mean"))
    .collect()
    .rows(),
)
tables = f"{folder}/*.csv"
agree(
    "DuckDB, CSV",
    duckdb.sql(f"SELECT machine, count(*), max(jump), avg(jump) FROM '{tables}' GROUP BY machine").fetchall(),
)
agree(
    "Polars, CSV",
    pl.scan_csv(tables, schema_overrides={"to": pl.String})
    .group_by("machine")
    .agg(pl.len(), pl.max("jump").alias("largest"), pl.mean("jump").alias("mean"))
    .collect()
    .rows(),
)

for path in glob.glob(files):
    table = pq.read_table(path)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["at"] == types["arrived"] == "timestamp[us, tz=UTC]", types
    assert types["vector"].startswith("list<") and types["to"].startswith("list<"), types
    assert types["machine"] == "int32" and types["kind"] == "string" and types["clock"] == "int64", types
    kinds = [
        pq.ParquetFile(path).metadata.row_group(0).column(place)
        for place in range(pq.ParquetFile(path).metadata.num_columns)
    ]
    (kind,) = [column for column in kinds if column.path_in_schema == "kind"]
    assert "RLE_DICTIONARY" in kind.encodings and kind.compression == "SNAPPY", kind
    rows = table.to_pylist()
    place = {(row["machine"], row["clock"]): row for row in rows}
    for row in rows:
        # The own entry counts the machine's events; a receive knows all that its send event knew.
        assert row["vector"][row["machine"]] == row["index"], row
        if row["from"] is not None:
            send = place[row["from"], row["sent"]]
            assert row["machine"] in send["to"], (send, row)
            assert all(mine >= theirs for mine, theirs in zip(row["vector"], send["vector"])), (send, row)
            if row["arrived"] is not None:
                waited = (row["at"] - row["arrived"]).total_seconds() * 1e6
                assert round(waited) == row["waited_us"], row
    print(f"{path}: {len(rows)} rows with types, vectors and arrivals as the logs have them")
