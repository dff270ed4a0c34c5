# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The loops of a sketch: marks left by keys, and what its registers weigh; see ``budgets/sketch.py``, which has both in
Python, too.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    HALF = 8  # bytes of half a key
    INDEX_BITS = 12
    REGISTERS = 1 << INDEX_BITS
    RANKS = 256


def mark_keys(const uint8_t[::1] keys not None, uint64_t first, uint64_t second, uint8_t[::1] registers not None):
    """Leaves the marks of keys in a sketch.

    Args:
        keys: of 16 bytes each, one after the other.
        first: what a key's first half is multiplied by.
        second: what the other half is.
        registers: the sketch.

    Returns:
        Whether anything changed.

    Raises:
        ValueError: half a key, or another number of registers.
    """
    cdef Py_ssize_t place, size = keys.shape[0]
    cdef uint64_t halves[2]
    cdef uint64_t mixed, rest
    cdef uint8_t rank
    cdef bint changed = False
    if size % (2 * HALF) or registers.shape[0] != REGISTERS:
        raise ValueError("half a key, or another number of registers")
    for place in range(0, size, 2 * HALF):
        halves[0], halves[1] = load_little(&keys[place]), load_little(&keys[place + HALF])
        mixed = halves[0] * first + halves[1] * second
        rest, rank = mixed << INDEX_BITS, 1
        while rank <= 64 - INDEX_BITS and not rest >> 63:
            rest <<= 1
            rank += 1
        if registers[mixed >> (64 - INDEX_BITS)] < rank:
            registers[mixed >> (64 - INDEX_BITS)] = rank
            changed = True
    return changed


def weigh(const uint8_t[::1] registers not None):
    """Weighs a sketch's registers.

    Returns:
        How many are 0; and the sum, over the others, of a half to the power of each.
    """
    cdef uint32_t counts[RANKS]
    cdef Py_ssize_t place
    cdef double held = 0, weight = 0.5
    for place in range(RANKS):
        counts[place] = 0
    for place in range(registers.shape[0]):
        counts[registers[place]] += 1
    for place in range(1, RANKS):
        held += counts[place] * weight
        weight /= 2
    return counts[0], held


cdef inline uint64_t load_little(const uint8_t *p) noexcept nogil:
    return (<uint64_t>p[0] | <uint64_t>p[1] << 8 | <uint64_t>p[2] << 16 | <uint64_t>p[3] << 24
            | <uint64_t>p[4] << 32 | <uint64_t>p[5] << 40 | <uint64_t>p[6] << 48 | <uint64_t>p[7] << 56)
