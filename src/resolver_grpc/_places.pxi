# Where keys lie in a part of changes/key_table.py: places of a key and its slot, looked through from the one it names.

cdef enum:
    KEY = 16
    PLACE = 20


cdef inline uint8_t *find_place(const uint8_t *part, uint64_t places, const uint8_t *key) noexcept nogil:
    """The place where a key lies, or would lie; NULL where there is neither it nor room for it."""
    cdef uint64_t at = place_named(places, key), looked
    cdef const uint8_t *place
    for looked in range(places):
        place = part + at * PLACE
        if not memcmp(place, key, KEY) or is_free(place):
            return <uint8_t *>place
        at = at + 1 if at + 1 < places else 0
    return NULL


cdef inline uint64_t place_named(uint64_t places, const uint8_t *key) noexcept nogil:
    """The number of the place that a key names."""
    return <uint64_t>load32(key + 4) * places >> 32


cdef inline bint is_free(const uint8_t *place) noexcept nogil:
    return place[16] & place[17] & place[18] & place[19] == 0xFF


cdef inline uint32_t load32(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24
