"""What rows are written to, one kind of file or database a file, and the table of them; `write_rows` writes any.

A new format is a class here, and a line in `WRITERS`: it is given a path, the rows' schema and the extensions of the
file's name, refuses what it cannot hold by name, takes batches, and says by which options `read` gives the same rows
again. Nothing is imported before a file of the format is written.
"""

from typing import Final

WRITERS: Final = {
    "csv": "csv_writer:CsvWriter",
    "parquet": "parquet_writer:ParquetWriter",
    "ipc": "arrow_writers:IpcWriter",
    "orc": "arrow_writers:OrcWriter",
    "hdf5": "hdf5_writer:Hdf5Writer",
    "json": "json_writer:JsonWriter",
    "tfrecord": "tfrecord_writer:TfRecordWriter",
    "numpy": "numpy_writers:NpyWriter",
    ".npz": "numpy_writers:NpzWriter",
}
"""By the name of the format that `formats.FORMATS` knows, or by an extension that has a writer of its own: module below
this package, and the class in it."""
