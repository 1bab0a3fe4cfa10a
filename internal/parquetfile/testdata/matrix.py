"""Writes files of every encoding, codec, page version and nesting pyarrow can
write into the directory given, for the judge test, and prints their paths."""
import datetime
import decimal
import os
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq

out = sys.argv[1]
rnd = random.Random(7)
N = 1200


def maybe(f, p):
    return [None if rnd.random() < p else f(i) for i in range(N)]


def word(i):
    return "".join(rnd.choice("abcdefgh") for _ in range(rnd.choice([0, 1, 5, 20, 40, 200])))


def flat(p):
    return pa.table({
        "b": pa.array(maybe(lambda i: rnd.random() < 0.7, p)),
        "i8": pa.array(maybe(lambda i: rnd.randint(-128, 127), p), pa.int8()),
        "u8": pa.array(maybe(lambda i: rnd.randint(0, 255), p), pa.uint8()),
        "i32": pa.array(maybe(lambda i: rnd.randint(-2**31, 2**31 - 1), p), pa.int32()),
        "u32": pa.array(maybe(lambda i: rnd.randint(0, 2**32 - 1), p), pa.uint32()),
        "i64": pa.array(maybe(lambda i: rnd.randint(-2**63, 2**63 - 1), p), pa.int64()),
        "u64": pa.array(maybe(lambda i: rnd.randint(0, 2**64 - 1), p), pa.uint64()),
        "seq": pa.array(maybe(lambda i: 10**12 + 3 * i, p), pa.int64()),
        "few": pa.array(maybe(lambda i: i // 100 % 7, p), pa.int32()),
        "f16": pa.array(maybe(lambda i: rnd.random(), p), pa.float16()),
        "f32": pa.array(maybe(lambda i: rnd.random(), p), pa.float32()),
        "f64": pa.array(maybe(lambda i: rnd.random(), p), pa.float64()),
        "d9": pa.array(maybe(lambda i: decimal.Decimal(rnd.randint(-10**8, 10**8)).scaleb(-2), p), pa.decimal128(9, 2)),
        "d18": pa.array(maybe(lambda i: decimal.Decimal(rnd.randint(-10**17, 10**17)).scaleb(-2), p), pa.decimal128(18, 2)),
        "d38": pa.array(maybe(lambda i: decimal.Decimal(rnd.randint(-10**37, 10**37)).scaleb(-5, decimal.Context(prec=60)), p), pa.decimal128(38, 5)),
        "date": pa.array(maybe(lambda i: datetime.date(1960, 1, 1) + datetime.timedelta(days=i * 11), p), pa.date32()),
        "t32": pa.array(maybe(lambda i: i * 1000, p), pa.time32("ms")),
        "t64": pa.array(maybe(lambda i: i * 1000001, p), pa.time64("us")),
        "ms": pa.array(maybe(lambda i: i * 86400123 - 10**11, p), pa.timestamp("ms")),
        "us": pa.array(maybe(lambda i: i * 86400123456 - 10**14, p), pa.timestamp("us", "UTC")),
        "ns": pa.array(maybe(lambda i: i * 86400123456789 - 10**17, p), pa.timestamp("ns")),
        "s": pa.array(maybe(word, p)),
        "status": pa.array(maybe(lambda i: rnd.choice(["new", "paid", "shipped", "returned"]), p)),
        "long": pa.array(maybe(lambda i: rnd.choice(["x" * 50, "y" * 33, ""]), p)),
        "bin": pa.array(maybe(lambda i: word(i).encode(), p), pa.binary()),
        "fix": pa.array(maybe(lambda i: rnd.randbytes(5), p), pa.binary(5)),
        "uuid": pa.array(maybe(lambda i: rnd.randbytes(16), p), pa.binary(16)),
        "null": pa.nulls(N, pa.int32()),
    })


def nested(depth):
    if depth == 0:
        return rnd.choice([pa.int64(), pa.string(), pa.int32(), pa.bool_(), pa.float64()])
    k = rnd.randrange(3)
    if k == 0:
        return pa.struct([pa.field(f"f{i}", nested(rnd.randrange(depth)), nullable=rnd.random() < .7) for i in range(rnd.randint(1, 3))])
    if k == 1:
        return pa.list_(pa.field("element", nested(depth - 1), nullable=rnd.random() < .7))
    return pa.map_(pa.string(), pa.field("value", nested(depth - 1), nullable=rnd.random() < .7))


def value(t, nullable=True):
    if nullable and rnd.random() < 0.2:
        return None
    if pa.types.is_struct(t):
        return {f.name: value(f.type, f.nullable) for f in t}
    if pa.types.is_map(t):
        n = rnd.choice([0, 1, 2, 5])
        return [("k%d" % i, value(t.item_type, t.item_field.nullable)) for i in range(n)]
    if pa.types.is_list(t):
        n = rnd.choice([0, 1, 2, 30 if rnd.random() < .05 else 3])
        return [value(t.value_type, t.value_field.nullable) for _ in range(n)]
    return {"int64": rnd.randint(-9, 9), "int32": rnd.randint(0, 3), "string": rnd.choice(["a", "bb", "c" * 40]),
            "bool": rnd.random() < .5, "double": rnd.random()}[str(t)]


def write(name, table, **kw):
    p = os.path.join(out, name + ".parquet")
    pq.write_table(table, p, **kw)
    print(p)


for p in (0, 0.3, 0.97):
    t = flat(p)
    for v in ("1.0", "2.0"):
        for c in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
            write(f"flat_{p}_{v}_{c}", t, compression=c, data_page_version=v, data_page_size=3000,
                  row_group_size=700, write_page_checksum=c == "zstd", write_page_index=c == "snappy")
        write(f"plain_{p}_{v}", t, use_dictionary=False, data_page_version=v, data_page_size=2000)
        write(f"int96_{p}_{v}", t.select(["ms", "us"]), use_deprecated_int96_timestamps=True, data_page_version=v)
        write(f"decint_{p}_{v}", t.select(["d9", "d18", "d38"]), store_decimal_as_integer=True, data_page_version=v)
        ints = ["i8", "u8", "i32", "u32", "i64", "u64", "seq", "few", "date", "t32", "t64", "us"]
        write(f"delta_{p}_{v}", t.select(ints), use_dictionary=False, data_page_version=v, data_page_size=3000,
              column_encoding={c: "DELTA_BINARY_PACKED" for c in ints})
        strs = ["s", "status", "long", "bin"]
        write(f"dlba_{p}_{v}", t.select(strs), use_dictionary=False, data_page_version=v, data_page_size=3000,
              column_encoding={c: "DELTA_LENGTH_BYTE_ARRAY" for c in strs})
        write(f"dba_{p}_{v}", t.select(strs + ["fix", "uuid", "d38"]), use_dictionary=False, data_page_version=v, data_page_size=3000,
              column_encoding={c: "DELTA_BYTE_ARRAY" for c in strs + ["fix", "uuid", "d38"]})
        bss = ["i32", "i64", "f32", "f64", "fix", "uuid", "d38", "f16", "us"]
        write(f"bss_{p}_{v}", t.select(bss), use_dictionary=False, data_page_version=v, data_page_size=3000,
              column_encoding={c: "BYTE_STREAM_SPLIT" for c in bss})
        write(f"rle_{p}_{v}", t.select(["b"]), use_dictionary=False, data_page_version=v,
              column_encoding={"b": "RLE"})
for k in range(24):
    cols = {}
    for i in range(3):
        t = nested(rnd.randint(1, 4))
        cols[f"c{i}"] = pa.array([value(t) for _ in range(500)], t)
    write(f"nested_{k}", pa.table(cols), data_page_version="12"[k % 2] + ".0", data_page_size=500,
          row_group_size=rnd.choice([100, 333, 500]), write_page_index=k % 3 == 0, compression=rnd.choice(["zstd", "none", "snappy"]))
