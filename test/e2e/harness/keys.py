# SPDX-License-Identifier: MIT
"""Files of keys with which a server seals secrets."""

from .program import run_to_end


def new_keys(path):
    """Writes a file with one new key there, and returns the path."""
    path.touch(mode=0o600)
    path.write_text(run_to_end("secrets", "new-key").stdout)
    return path


def sealing(keys):
    """The arguments of a server that seals with them."""
    return ("--secrets-key", str(keys))
