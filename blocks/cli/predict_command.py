"""blocks predict: answers of the rows of a file or table by an exported SavedModel."""

import argparse

from blocks.cli.project_arguments import add_examples, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Answer rows by an export, on all cores and in chunks; killed at any moment, the same command goes on."
    add_examples(
        command, about, "blocks predict    # a project's test rows", "blocks predict new.csv answers.csv --keys id",
        "blocks predict export/1 new.parquet answers.parquet --keys id",
    )  # fmt: skip
    command.add_argument("export", metavar="EXPORT", nargs="?", help="the SavedModel's folder (the project's newest)")
    command.add_argument(
        "data", metavar="DATA", nargs="?", help="raw rows: a file, a folder, a pattern, or the URI of a database"
    )
    command.add_argument(
        "out",
        metavar="OUT",
        nargs="?",
        help="where the answers go: .parquet, .csv, .jsonl, .db, ..., or the URI of a database",
    )
    command.add_argument("--keys", nargs="*", default=[], help="columns of the rows to keep, to know them by")
    command.add_argument("--targets", action="store_true", help="keep the targets too")
    command.add_argument("--format", help="of the rows, where no extension tells: images, texts, csv, ...")
    command.add_argument("--table", help="of the database that the rows come from")
    command.add_argument("--query", help="instead of a table, what gives the rows")
    command.add_argument(
        "--rejects", metavar="FILE", help="leave bad rows out and write them there (a bad row is an error)"
    )
    command.add_argument("--out-table", help="of the database that the answers go to")
    command.add_argument("--overwrite", action="store_true", help="replace what is there")
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Run it."""
    if options.export is None:
        from blocks.runs.steps.exporting import predict

        del options.out
        project = project_of(options, "evaluate")
        return told(options, predict(project, keys=options.keys, again=options.again or options.overwrite))
    if options.data is None:
        options.parser.error("the following arguments are required: DATA, OUT")
    if options.out is None:  # a project's export, DATA and OUT
        from blocks.runs.configuration import resolve
        from blocks.runs.steps.exporting import newest_export

        artefacts = resolve(options.project, options.profile, options.settings).folder / "artefacts"
        options.export, options.data, options.out = newest_export(artefacts), options.export, options.data
    from blocks.data import read
    from blocks.evaluate.tables.write_answers import require_apart, write_answers

    require_apart(options.data, options.out, table=options.table, target_table=options.out_table)
    chosen = {"format": options.format, "table": options.table, "query": options.query, "rejects": options.rejects}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    source = read(options.data, **chosen, **({"on_bad_rows": "keep"} if options.rejects else {}))
    written = write_answers(
        options.export, source, options.out,
        keys=options.keys, targets=options.targets, table=options.out_table, overwrite=options.overwrite,
    )  # fmt: skip
    count = written.count()
    rejected = f"; {source.rejected:,} bad rows in {options.rejects}" if options.rejects else ""
    print(f"{options.out}: {count:,} rows, columns {', '.join(written.schema.names)}{rejected}")
    return 0
