# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Where keys lie in a part of ``changes.key_table``: what its Python functions of the same names do, much faster."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

include "_places.pxi"


def place_of(bytearray part not None, const uint8_t[::1] key not None):
    """Where a key lies, or would lie.

    Raises:
        ValueError: there is neither it nor room for it, or the key or the part is of another length.
    """
    cdef const uint8_t *begin = <const uint8_t *><char *>part
    cdef const uint8_t *found = NULL
    if key.shape[0] == KEY and not len(part) % PLACE:
        found = find_place(begin, len(part) // PLACE, &key[0])
    if not found:
        raise ValueError("no such key, and no room for it")
    return found - begin


def regrown(bytearray part not None, Py_ssize_t places):
    """The same keys in so many places.

    Raises:
        ValueError: there is no room for all of them.
    """
    cdef bytearray larger = bytearray(b"\xff") * (places * PLACE)
    cdef const uint8_t *begin = <const uint8_t *><char *>larger
    cdef const uint8_t *held = <const uint8_t *><char *>part
    cdef const uint8_t *found
    cdef Py_ssize_t at
    for at in range(0, len(part) // PLACE * PLACE, PLACE):
        if not is_free(held + at):
            found = find_place(begin, places, held + at)
            if not found:
                raise ValueError("no room for all keys")
            memcpy(<uint8_t *>found, held + at, PLACE)
    return larger
