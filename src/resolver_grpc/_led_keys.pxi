# A table of changes/key_table.py in which keys are led to new ordinals, as changes/overlay.py does it.

cdef enum:
    PARTS = 256
    LIST_BIT = 0x80000000
    NOBODY = 0xFFFFFFFE
    EMPTY = 0xFFFFFFFF


cdef class LedKeys:
    """The places of a ``KeyTable``'s keys, written in place; keys with several under them are Python's."""

    cdef object table
    cdef uint8_t *parts[PARTS]
    cdef uint64_t places[PARTS]
    cdef uint32_t[::1] counts
    cdef int64_t shape
    # So that what was looked at stays.
    cdef list kept

    def __init__(self, table):
        self.table, self.counts, self.shape = table, table.counts, -1

    cdef int look(self) except -1:
        """Looks at the parts again, if one gave way to a larger one."""
        cdef int number
        cdef bytearray part
        if self.shape == self.table.shape:
            return 0
        self.kept = list(self.table.parts)
        for number in range(PARTS):
            part = self.kept[number]
            self.parts[number], self.places[number] = <uint8_t *><char *>part, len(part) // PLACE
        self.shape = self.table.shape
        return 0

    cdef inline void expect(self, const uint8_t *key) noexcept:
        """Has memory fetch the place of a key that will be led."""
        RESOLVER_PREFETCH(self.parts[key[0]] + place_named(self.places[key[0]], key) * PLACE)

    cdef uint32_t only(self, const uint8_t *key, uint32_t otherwise) except? 0:
        """The one ordinal under a key, or what is said where there is none."""
        cdef const uint8_t *place = find_place(self.parts[key[0]], self.places[key[0]], key)
        cdef uint32_t slot = load32(place + KEY)
        return slot if slot < LIST_BIT else otherwise

    cdef bint lead(self, const uint8_t *key, Below below, uint32_t new, uint32_t old) except -1:
        """Lets a key lead to a new ordinal, in the old one's place; False where others stand under it, too."""
        cdef uint8_t number = key[0]
        cdef uint8_t *place
        cdef uint32_t slot
        if self.counts[number] >= self.places[number] * 7 // 10:
            self.table.make_room(number)
            self.look()
        place = find_place(self.parts[number], self.places[number], key)
        slot = load32(place + KEY)
        if slot == EMPTY and (not below.count or below.count == 1 and below.ordinal == old):
            memcpy(place, key, KEY)
            self.counts[number] += 1
        elif slot != NOBODY and slot != old and slot != new:
            return False
        store32(place + KEY, new)
        return True
