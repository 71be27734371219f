import builtins

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mqttwin as mt
from mqttwin import readers


def write(tmp_path, text, name="readings.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_column_of_a_csv_file(tmp_path):
    path = write(tmp_path, "\ufeffdate,temp\n2010,39.4\n2011, 39.2\n\n2012,-1e1\n")
    assert readers.read_numbers(path, "temp").tolist() == [39.4, 39.2, -10.0]
    whole = readers.read_numbers(path, "date")
    assert whole.dtype == np.int64
    assert whole.tolist() == [2010, 2011, 2012]


def test_other_delimiters_quotes_and_a_single_column(tmp_path):
    path = write(tmp_path, 'a;"b c"\n1;"2"\n')
    assert readers.read_numbers(path, "b c").tolist() == [2]
    assert readers.read_numbers(write(tmp_path, "x\n1\n2\n")).tolist() == [1, 2]
    assert readers.read_numbers(write(tmp_path, "a\tb\n1\t2\n"), "b").tolist() == [2]


def test_missing_values_are_asked_for(tmp_path):
    path = write(tmp_path, "x,y\n1,a\n,b\nNA,c\n")
    read = readers.read_numbers(path, "x", missing=("", "NA"))
    assert read[0] == 1
    assert np.isnan(read[1:]).all()


@pytest.mark.parametrize(
    ("text", "column", "line", "told"),
    [
        ("t,x\n1,2\n2,warm\n", "x", 3, "column 'x': 'warm' is not a number"),
        ("t,x\n1,2\n\n2,\n", "x", 4, "column 'x': '' is not a number"),
        ("t,x\n1,2\n7\n", "x", 3, "column 'x': the row has 1 of 2 cells"),
        ("t,x\n", "x", None, "holds no rows"),
        ("", "x", None, "is empty"),
        ("t,x\n1,2\n", "y", None, "has no column 'y' (it has t, x)"),
        ("t,x\n1,2\n", None, None, "which column? It has t, x"),
        (b"t,x\n1,\xff\xfe\n", "x", None, "is not UTF-8 text"),
    ],
)
def test_what_is_wrong_has_file_row_and_column(tmp_path, text, column, line, told):
    path = write(tmp_path, text)
    with pytest.raises(mt.ConfigError) as error:
        mt.gen.replay(path, column)
    assert told in str(error.value)
    assert error.value.file == str(path)
    assert error.value.line == line
    if line:
        assert f"{path}:{line}: " in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(mt.ConfigError, match="cannot be read: No such file"):
        mt.gen.replay(tmp_path / "absent.csv")
    with pytest.raises(mt.ConfigError, match="cannot be read: "):
        mt.gen.replay(tmp_path)
    with pytest.raises(mt.ConfigError, match="cannot be read: No such file"):
        mt.gen.replay(tmp_path / "absent.parquet", "x")


def test_parquet(tmp_path):
    path = tmp_path / "readings.parquet"
    pq.write_table(pa.table({"t": [1.5, None], "n": [1, 2], "s": ["a", "b"]}), path)
    assert readers.read_numbers(path, "n").tolist() == [1, 2]
    assert np.isnan(readers.read_numbers(path, "t")[1])
    with pytest.raises(mt.ConfigError, match="column 's': holds string"):
        readers.read_numbers(path, "s")
    with pytest.raises(mt.ConfigError, match="has no column 'x'"):
        readers.read_numbers(path, "x")
    other = write(tmp_path, "no parquet at all", "other.parquet")
    with pytest.raises(mt.ConfigError, match="is not a Parquet file"):
        readers.read_numbers(other, "x")


def test_times_of_a_parquet_file(tmp_path):
    path = tmp_path / "times.parquet"
    pq.write_table(pa.table({"at": pa.array([10**9, 3 * 10**9], pa.timestamp("ns"))}), path)
    assert readers.read_times(path).tolist() == [0, 2 * 10**9]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *more, **keywords):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *more, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(mt.ConfigError, match=r"pip install 'mqttwin\[arrow\]'"):
        readers.read_numbers(tmp_path / "x.parquet", "x")


def test_times_of_a_csv_file(tmp_path):
    path = write(tmp_path, "at\n2024-05-01T12:00:00Z\n2024-05-01T12:00:01.5Z\n")
    assert readers.read_times(path).tolist() == [0, 1_500_000_000]
    with pytest.raises(mt.ConfigError, match="column 'at': 'noon' is not an instant"):
        readers.read_times(write(tmp_path, "at\nnoon\n"))
    with pytest.raises(mt.ConfigError, match="must not go back"):
        readers.read_times(write(tmp_path, "at\n5\n4\n"))
