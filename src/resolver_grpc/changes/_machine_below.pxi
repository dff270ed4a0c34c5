# The snapshot's index as the machine reads it: which slot stands under a key, and the spans of an owner's facts.

cdef class Below:
    """Where a snapshot's index lies in memory; of use while it is open.

    Args:
        index: it itself, asked where a page was not checked yet, or several owners stand under a key.
        raw: its ``RawIndex``.
        spans: its ``RawSpans``.
        common: the numbers of the facts that have one of their own, by name.

    Raises:
        ValueError: something has a length that it can't have.
    """

    cdef object index
    cdef list kept
    cdef const uint8_t **pages
    cdef uint32_t *keys
    cdef const uint8_t[::1] checked
    cdef const uint8_t[:, ::1] numbers
    cdef const uint32_t[::1] address_numbers
    cdef uint64_t buckets
    cdef uint32_t owners
    cdef const uint32_t[::1] order
    cdef const uint32_t[::1] offsets
    cdef uint32_t owner_bits
    cdef uint32_t place_bits
    cdef uint64_t *begins
    cdef const uint32_t **instants
    cdef uint32_t facts
    cdef list names
    cdef list firsts
    cdef dict common

    def __cinit__(self, index, raw, spans, dict common not None):
        cdef const uint8_t[::1] page
        cdef const uint32_t[::1] instants
        cdef uint64_t number
        self.index, self.kept, self.common = index, list(raw.pages), common
        self.buckets, self.owners, self.checked = len(self.kept), raw.owners, raw.checked
        self.numbers = raw.numbers.reshape(-1, NUMBER)
        self.address_numbers = raw.address_numbers
        self.order, self.offsets = spans.order, spans.offsets
        self.owner_bits, self.place_bits = spans.owner_bits, spans.place_bits
        self.facts, self.names, self.firsts = len(spans.names), spans.names, spans.firsts
        self.begins = <uint64_t *>malloc((self.facts + 1) * sizeof(uint64_t))
        self.instants = <const uint32_t **>malloc((self.facts + 1) * sizeof(uint32_t *))
        self.pages = <const uint8_t **>malloc(self.buckets * sizeof(uint8_t *) + 1)
        self.keys = <uint32_t *>malloc(self.buckets * sizeof(uint32_t) + 1)
        if not self.pages or not self.keys or not self.begins or not self.instants:
            raise MemoryError
        for number in range(self.facts):
            instants = spans.instants[number]
            self.kept.append(instants)
            self.begins[number] = spans.begins[number]
            self.instants[number] = &instants[0] if instants.shape[0] else NULL
        self.begins[self.facts] = self.order.shape[0]
        sizes = {self.numbers.shape[0], self.address_numbers.shape[0], self.owners}
        groups = (self.owners >> self.owner_bits) + 1
        if not self.buckets or self.checked.shape[0] != <Py_ssize_t>self.buckets or len(sizes) != 1:
            raise ValueError("columns of different lengths, or no pages")
        if self.offsets.shape[0] <= groups or self.owner_bits + self.place_bits > 32:
            raise ValueError("columns of different lengths, or no pages")
        for number in range(self.buckets):
            page = self.kept[number]
            if page.shape[0] % (KEY + 4):
                raise ValueError("a page of a broken length")
            self.pages[number] = &page[0] if page.shape[0] else NULL
            self.keys[number] = page.shape[0] // (KEY + 4)

    def __dealloc__(self):
        free(self.pages)
        free(self.keys)
        free(self.begins)
        free(self.instants)

    cdef bint find(self, const uint8_t *key, uint32_t *slot) except -1:
        """Finds the slot of a key."""
        cdef uint64_t lead = <uint64_t>key[0] << 24 | <uint64_t>key[1] << 16 | <uint64_t>key[2] << 8 | <uint64_t>key[3]
        cdef uint64_t bucket = lead * self.buckets >> 32
        cdef const uint8_t *keys = self.pages[bucket]
        cdef int64_t low = 0, high = self.keys[bucket], middle, count = self.keys[bucket]
        if not self.checked[bucket]:
            # Which checks the page, and refuses one that could give a wrong answer.
            self.index.find([key[:KEY]])
        while low < high:
            middle = (low + high) // 2
            if memcmp(keys + middle * KEY, key, KEY) < 0:
                low = middle + 1
            else:
                high = middle
        if low == count or memcmp(keys + low * KEY, key, KEY):
            return False
        slot[0] = load(keys + count * KEY + low * 4)
        return True

    cdef uint32_t fact_of(self, uint32_t place) noexcept nogil:
        """The fact among whose changes a place is."""
        cdef uint32_t low = 0, high = self.facts, middle
        while low < high:
            middle = (low + high) // 2
            if self.begins[middle + 1] <= place:
                low = middle + 1
            else:
                high = middle
        return low

    cdef uint32_t residents(self, const uint8_t *key) except? 0xFFFFFFFF:
        """The number of the home of those under a key; 0 where nobody is."""
        cdef uint32_t slot = 0
        if not self.find(key, &slot):
            return 0
        if slot & POSTING_BIT:
            slot = self.index.find([key[:KEY]])[0][0]
        return self.address_numbers[slot] if slot < self.owners else 0
