"""Everything that can go wrong with recordings at rest, in words for the person who has to act.

::

    RecordingsError
     ├── KeyFileError     the operator's key file is missing, open to others, or not readable as one
     ├── KeyNotThere      no key of that id in the file, or it does not open this wrapping
     ├── SealFailed       the source changed while it was read, or is no file; nothing was sealed
     │    └── NotARegularFile
     ├── SealBroken       a sealed file that is not whole, not authentic, or not that recording's
     └── CannotMask       only a stereo recording has sides

An operating system's error (no space, no permission) stays an OSError.
"""

from __future__ import annotations


class RecordingsError(Exception):
    """Base of every error of this package; see the tree in the module's docstring."""


class KeyFileError(RecordingsError):
    """The operator's key file cannot be used as it is."""


class KeyNotThere(RecordingsError):
    """The operator's key that would open this is not in the file."""


class SealFailed(RecordingsError):
    """The recording could not be sealed; its plain file stands as before."""


class NotARegularFile(SealFailed):
    """Under a recording's name lies a link, a folder or a pipe, put there by whoever else may write to the folder."""


class SealBroken(RecordingsError):
    """The sealed file was cut, changed, exchanged, or its key is another's."""


class CannotMask(RecordingsError):
    """One side was asked for of a recording that holds both in one channel."""
