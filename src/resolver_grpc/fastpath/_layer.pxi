# What changes laid over an index: the keys that they told of, probed beside the index's pages, and owners past its own.
# How the places of keys and the lists lie stands in changes/key_table.py.

cdef class Layer:
    """Keys with the ordinals under them, which count instead of the index's, and columns of ordinals past the index's.

    The memory is written to between two slices, in place.

    Args:
        parts: the places of the keys, by their first byte.
        lists: where several ordinals under a key lie.
        numbers: ten bytes for each owner past the index's, shorter numbers with zeros behind them.
        address_numbers: for each of these owners.
        below: how many owners the index has.
        left_flag: the owner's flag by which the plain way is to write the row.

    Raises:
        ValueError: parts or columns of lengths that don't fit.
    """

    cdef const uint8_t *parts[PARTS]
    cdef uint64_t places[PARTS]
    cdef const uint8_t *lists
    cdef uint64_t words
    cdef const uint8_t[::1] numbers
    cdef const uint32_t[::1] address_numbers
    cdef uint32_t below
    cdef uint32_t owners
    cdef uint8_t left_flag
    cdef list kept

    def __init__(self, list parts, lists, numbers, address_numbers, uint32_t below, uint8_t left_flag):
        self.numbers, self.address_numbers, self.below, self.left_flag = numbers, address_numbers, below, left_flag
        cdef uint64_t room = self.address_numbers.shape[0]
        if not below or self.numbers.shape[0] != NUMBER * self.address_numbers.shape[0] or below + room >= 0x80000000:
            raise ValueError("the columns have different lengths, or none")
        self.owners = below + room
        self.look(parts, lists)

    def look(self, list parts not None, const uint8_t[::1] lists not None):
        """Looks at keys and lists that were moved.

        Raises:
            ValueError: parts or lists of lengths that don't fit.
        """
        cdef const uint8_t[::1] part
        cdef Py_ssize_t number
        if len(parts) != PARTS or lists.shape[0] % SLOT or not lists.shape[0]:
            raise ValueError("not as many parts as bytes have values, or lists of a broken length")
        # Views of the memory, which can't be moved while they live.
        kept = [memoryview(one) for one in parts]
        for number in range(PARTS):
            part = kept[number]
            if part.shape[0] % (KEY + SLOT) or not part.shape[0] or part.shape[0] > 0x7FFFFFFF:
                raise ValueError("a part of a broken length")
        for number in range(PARTS):
            part = kept[number]
            self.parts[number], self.places[number] = &part[0], part.shape[0] // (KEY + SLOT)
        self.lists, self.words = &lists[0], lists.shape[0] // SLOT
        kept.append(lists)
        self.kept = kept


cdef void lay_over(Layer layer, Row **rows, const uint8_t *keys, int count) noexcept nogil:
    """Lets what stands under a key by now count instead of what the pages say; a miss looks as a hit does."""
    cdef const uint8_t *key
    cdef Row *row
    cdef int number
    for number in range(count):
        key = keys + number * KEY
        row = rows[number]
        row.place = <uint64_t>load_slot(key + 4) * layer.places[key[0]] >> 32
        RESOLVER_PREFETCH(layer.parts[key[0]] + row.place * (KEY + SLOT))
        RESOLVER_PREFETCH(layer.parts[key[0]] + row.place * (KEY + SLOT) + KEY)
    for number in range(count):
        look_up(layer, rows[number], keys + number * KEY)


cdef inline void look_up(Layer layer, Row *row, const uint8_t *key) noexcept nogil:
    cdef const uint8_t *part = layer.parts[key[0]]
    cdef const uint8_t *place
    cdef uint64_t places = layer.places[key[0]], looked, at = row.place
    cdef uint32_t slot
    row.layered = False
    for looked in range(places):
        place = part + at * (KEY + SLOT)
        slot = load_slot(place + KEY)
        if slot == NO_SLOT:
            return
        if not memcmp(place, key, KEY):
            row.found = slot != NOBODY
            row.layered = row.found
            if row.found:
                row.ordinal = slot
            return
        at = at + 1 if at + 1 < places else 0


cdef inline const uint8_t *listed(Layer layer, uint32_t slot, uint32_t *count) noexcept nogil:
    """Where the ordinals of a list lie, and how many there are; NULL where it lies outside."""
    cdef uint64_t place = slot ^ <uint32_t>0x80000000
    if place + 2 > layer.words:
        return NULL
    count[0] = load_slot(layer.lists + (place + 1) * SLOT)
    if place + 2 + count[0] > layer.words:
        return NULL
    return layer.lists + (place + 2) * SLOT


cdef inline bint settle_layered(Layer layer, Row *row) noexcept nogil:
    """Leaves a row with several owners to the plain way; False where a slot leads nowhere."""
    cdef uint32_t count = 0
    if not row.ordinal >> 31:
        return row.ordinal < layer.owners
    if not listed(layer, row.ordinal, &count):
        return False
    if not row.recipe.everyone or count > MOST_ORDINALS:
        row.state = PLAIN
        row.ordinal = 0
        row.layered = row.found = False
    return True
