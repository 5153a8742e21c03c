"""HDF5 files: datasets of a group, one compound dataset, or a table of pandas', as columns."""
