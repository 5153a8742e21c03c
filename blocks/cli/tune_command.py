"""blocks tune: better settings of an adapted model, searched on its store."""

import argparse

from blocks.cli.project_arguments import add_examples


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = (
        "Try settings of the extractor and the optimizer: many on few rows, the best of them on more, the very best "
        "fitted anew and judged once on the test rows. The model as it is always goes on, and is compared. Killed at "
        "any moment, the same command goes on. Needs pip install 'ml-blocks[tune]'."
    )
    add_examples(
        command, about, "blocks tune --budget 10min", "blocks tune adapted.keras store --trials 64 --out best.keras"
    )
    command.add_argument(
        "model", metavar="MODEL", nargs="?", default="artefacts/adapted.keras",
        help="a .keras file of an adapted model (artefacts/adapted.keras)",
    )  # fmt: skip
    command.add_argument(
        "store", metavar="STORE", nargs="?", default="artefacts/store",
        help="the store's folder, with splits train and valid, and test if any (artefacts/store)",
    )  # fmt: skip
    command.add_argument("--budget", metavar="TIME", help="the most that it may take: 10min, 2h (as long as it takes)")
    command.add_argument("--trials", type=int, default=32, help="how many settings to try (32)")
    command.add_argument("--seed", type=int, default=0, help="decides settings, rows, weights and orders (0)")
    command.add_argument("--space", metavar="FILE", help="a JSON file of what to try instead of the extractor's own")
    command.add_argument(
        "--folder", default="artefacts/tuning", help="where the search is kept, to go on (artefacts/tuning)"
    )
    command.add_argument(
        "--out", default="artefacts/tuned.keras", help="the best model (artefacts/tuned.keras); its table is .parquet"
    )


def run(options: argparse.Namespace) -> int:
    """Search, and write the best model and the table of trials."""
    import json
    from pathlib import Path

    from blocks.data import read
    from blocks.errors import InvalidArgument
    from blocks.model import load
    from blocks.store import open_store
    from blocks.tuning import tune
    from blocks.tuning.trials_table import as_text

    space = None
    if options.space is not None:
        try:
            space = json.loads(Path(options.space).read_text())
        except (OSError, ValueError) as error:
            raise InvalidArgument(
                f'--space is a JSON file, {{"dropout": ["float", 0, 0.5, false]}}. Received: {options.space}: {error}.'
            ) from None
    out = Path(options.out)
    if out.suffix != ".keras":
        raise InvalidArgument(f"--out is a .keras file. Received: {options.out}.")
    table, best = tune(
        load(options.model), open_store(options.store),
        budget=options.budget, trials=options.trials, seed=options.seed, space=space, folder=options.folder,
    )  # fmt: skip
    best.save(out)
    read(table).write(out.with_suffix(".parquet"), overwrite=True)
    print(as_text(table))
    print(f"{out}: the best model; {out.with_suffix('.parquet')}: all trials")
    return 0
