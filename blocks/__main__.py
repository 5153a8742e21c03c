"""`python -m blocks`: the command line."""

from blocks.cli.main import main

raise SystemExit(main())
