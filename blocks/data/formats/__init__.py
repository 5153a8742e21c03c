"""What rows are read from, one format a file, and the table of what files are: name, extensions, first bytes, reader.

A new format of files is a file here, in which a function or class makes a `FilesReader` of files and takes what options
`read` has for the format as keyword arguments, and a line in `FORMATS`. Nothing is imported before a file of the format
is read, so that a format may need a heavy library. What is named by `format=` alone has no extensions.
"""

from typing import Final, NamedTuple


class Format(NamedTuple):
    """How files of a format are known, and who reads them.

    Args:
        reader: module below this package, and the name in it, of what makes a reader of a list of files.
        extensions: those that tell the format, before one of compression.
        magic: what the files begin with, if anything.
        folders: whether a file is a value of a row, and folders and archives say which.
    """

    reader: str
    extensions: tuple[str, ...] = ()
    magic: bytes = b""
    folders: bool = False


FORMATS: Final = {
    "csv": Format("csv.reader:read_csv", (".csv", ".tsv", ".txt")),
    "parquet": Format("parquet:ParquetReader", (".parquet", ".pq"), b"PAR1"),
    "ipc": Format("arrow_files:read_ipc", (".arrow", ".arrows", ".feather", ".ipc"), b"ARROW1"),
    "orc": Format("arrow_files:read_orc", (".orc",), b"ORC"),
    "json": Format("json_lines:JsonLinesReader", (".jsonl", ".ndjson")),
    "hdf5": Format("hdf5.hdf5_reader:Hdf5Reader", (".h5", ".hdf5", ".hdf"), b"\x89HDF"),
    "tfrecord": Format("tfrecord:TfRecordReader", (".tfrecord", ".tfrecords")),
    "numpy": Format("numpy_files:NumpyReader", (".npy", ".npz"), b"\x93NUMPY"),
    "images": Format("image_folder:ImageFolderReader", folders=True),
    "texts": Format("text_folder:TextFolderReader", folders=True),
}
"""By the name that `read(format=...)` takes."""

EXTENSIONS: Final = {extension: name for name, format in FORMATS.items() for extension in format.extensions}
"""A format's name by extension."""
