"""`python -m blocks`: the command line."""

from blocks.cli import main

raise SystemExit(main())
