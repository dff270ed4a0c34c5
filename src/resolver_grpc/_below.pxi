# What the snapshot has under a key, probed in its pages as index/pages.py has them.

cdef enum:
    SLOT = 4
    POSTING_BIT = 0x80000000


cdef struct Below:
    # How many there are, and the one if it is one.
    uint32_t count
    uint32_t ordinal


cdef class BelowKeys:
    """The keys of the snapshot's index; of use as long as that is open.

    Args:
        index: the index.
        pages: the page of each bucket, where the index has pages.
        checked: for each page whether it was checked: the others the index itself answers from, which checks them.
    """

    cdef object index
    cdef list pages
    cdef bytearray checked

    def __init__(self, index, list pages not None, bytearray checked not None):
        if len(pages) != len(checked):
            raise ValueError("not as many pages as marks")
        self.index, self.pages, self.checked = index, pages, checked

    cdef Below under(self, const uint8_t *key) except *:
        cdef uint64_t buckets = len(self.pages), bucket = big_endian(key) * buckets >> 32
        cdef Py_buffer *page
        cdef const uint8_t *begin
        cdef uint64_t low = 0, high, middle
        cdef uint32_t slot
        if not buckets or not (<uint8_t *><char *>self.checked)[bucket]:
            return self.ask(key)
        page = PyMemoryView_GET_BUFFER(self.pages[bucket])
        begin = <const uint8_t *>page.buf
        high = page.len // (KEY + SLOT)
        cdef uint64_t keys = high
        while low < high:
            middle = (low + high) // 2
            if memcmp(begin + middle * KEY, key, KEY) < 0:
                low = middle + 1
            else:
                high = middle
        if low == keys or memcmp(begin + low * KEY, key, KEY):
            return Below(0, 0)
        slot = load32(begin + keys * KEY + low * SLOT)
        return self.ask(key) if slot & POSTING_BIT else Below(1, slot)

    cdef Below ask(self, const uint8_t *key) except *:
        (found,) = self.index.find([(<const char *>key)[:KEY]])
        cdef uint32_t count = len(found)
        return Below(count, found[0] if count == 1 else 0)


cdef inline uint64_t big_endian(const uint8_t *p) noexcept nogil:
    return <uint64_t>p[0] << 24 | <uint64_t>p[1] << 16 | <uint64_t>p[2] << 8 | <uint64_t>p[3]
