"""Checking a file whole, whether or not anybody asks for it."""

from __future__ import annotations

from wattscope.stores.checked_files import CheckedFiles, FileDamage
from wattscope.stores.manifest import FileNote


def scrub_file(files: CheckedFiles, note: FileNote) -> FileDamage | None:
    """Check a file of which nothing is known to be damaged; the damage, if there is any now."""
    if files.is_damaged(note):
        return None
    files.forget({note.file})
    if files.is_sound(note):
        return None
    if not files.is_damaged(note):
        files.note_damage(note.file, note.rows, "its checksum does not fit")
    return next(one for one in files.damages if one.file == note.file)
