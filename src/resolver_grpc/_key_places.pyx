# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Where keys lie in a part of ``changes.key_table``: what its Python functions of the same names do, much faster."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    KEY = 16
    PLACE = 20


cdef inline const uint8_t *_find(const uint8_t *part, uint64_t places, const uint8_t *key) noexcept nogil:
    """The place where a key lies, or would lie; NULL where there is neither it nor room for it."""
    cdef uint64_t named = <uint64_t>key[4] | <uint64_t>key[5] << 8 | <uint64_t>key[6] << 16 | <uint64_t>key[7] << 24
    cdef uint64_t at = named * places >> 32, looked
    cdef const uint8_t *place
    for looked in range(places):
        place = part + at * PLACE
        if not memcmp(place, key, KEY) or _is_free(place):
            return place
        at = at + 1 if at + 1 < places else 0
    return NULL


cdef inline bint _is_free(const uint8_t *place) noexcept nogil:
    return place[16] & place[17] & place[18] & place[19] == 0xFF


def place_of(bytearray part not None, const uint8_t[::1] key not None):
    """Where a key lies, or would lie.

    Raises:
        ValueError: there is neither it nor room for it, or the key or the part is of another length.
    """
    cdef const uint8_t *begin = <const uint8_t *><char *>part
    cdef const uint8_t *found = NULL
    if key.shape[0] == KEY and not len(part) % PLACE:
        found = _find(begin, len(part) // PLACE, &key[0])
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
        if not _is_free(held + at):
            found = _find(begin, places, held + at)
            if not found:
                raise ValueError("no room for all keys")
            memcpy(<uint8_t *>found, held + at, PLACE)
    return larger
