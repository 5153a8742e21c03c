"""Files: where they lie (local, or behind a URL), how they are written whole, and what keeps a second writer away.

Everything that blocks leaves on a disk is written by what lives here, so that killed at any moment, each file and each
folder is what it was or what it was to be.
"""
