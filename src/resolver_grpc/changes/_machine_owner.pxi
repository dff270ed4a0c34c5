# An owner as it is worked on: spans and instants in the order in which they were told, out of bytes and back.

cdef class Work:
    """One owner at a time.

    Facts past the common ones have numbers of this owner's own, by ``names``.
    """

    cdef Span spans[MOST_SPANS]
    cdef Told ended[MOST_TOLD]
    cdef Told stated[MOST_TOLD]
    cdef uint32_t span_count
    cdef uint32_t ended_count
    cdef uint32_t stated_count
    cdef uint32_t old
    cdef uint32_t recorded
    cdef uint32_t traits
    cdef uint32_t changes
    cdef list names
    cdef bytes keys
    cdef bytes rest
    cdef bint is_whole  # nothing was left out for want of room

    cdef void begin(self):
        self.span_count = self.ended_count = self.stated_count = 0
        self.old, self.recorded, self.traits, self.changes = NO_ORDINAL, 0, 0, 0
        self.names, self.keys, self.rest, self.is_whole = [], b"", b"", True

    cdef void add(self, uint32_t fact, uint32_t start, uint32_t end) noexcept:
        if self.span_count == MOST_SPANS:
            self.is_whole = False
            return
        self.spans[self.span_count] = Span(fact, start, end)
        self.span_count += 1

    cdef void end(self, uint32_t fact, uint32_t instant) noexcept:
        """Notes that a fact was said to end: behind what was said of it before."""
        cdef uint32_t at = self.ended_count, place = self.ended_count
        if self.ended_count == MOST_TOLD:
            self.is_whole = False
            return
        while at and self.ended[at - 1].fact != fact:
            at -= 1
        if at:
            while place > at:
                self.ended[place] = self.ended[place - 1]
                place -= 1
        self.ended[place] = Told(fact, instant)
        self.ended_count += 1

    cdef uint32_t local(self, str fact):
        """The number of a fact by its name."""
        if fact not in self.names:
            self.names.append(fact)
        return COMMON + self.names.index(fact)

    cdef bint has(self, uint32_t fact) noexcept:
        cdef uint32_t at
        for at in range(self.span_count):
            if self.spans[at].fact == fact:
                return True
        return False

    cdef bint unpack(self, bytes packed, list names):
        """Reads a packed owner, whose facts past the common ones have these names."""
        cdef const uint8_t *p = <const uint8_t *><char *>packed
        cdef int64_t size = len(packed), at = HEAD
        cdef uint32_t spans, ended, stated, keys, number
        if size < HEAD:
            return False
        self.old, self.recorded = load(p), load(p + 22)
        self.traits, self.changes = p[26], load_short(p + 27)
        spans, ended, stated, keys = load_short(p + 29), load_short(p + 31), p[33], load_short(p + 34)
        if max(ended, stated) >= MOST_TOLD or spans >= MOST_SPANS:
            return False
        if size < HEAD + spans * SPAN + (ended + stated) * TOLD + keys * KEY:
            return False
        for number in range(spans):
            self.add(self.known(load_short(p + at), names), load(p + at + 2), load(p + at + 6))
            at += SPAN
        for number in range(ended):
            self.ended[number] = Told(self.known(load_short(p + at), names), load(p + at + 2))
            at += TOLD
        for number in range(stated):
            self.stated[number] = Told(self.known(load_short(p + at), names), load(p + at + 2))
            at += TOLD
        self.ended_count, self.stated_count = ended, stated
        self.keys = packed[at : at + keys * KEY]
        self.rest = packed[at + keys * KEY :]
        return True

    cdef uint32_t known(self, uint32_t fact, list names):
        """The number here of a fact that had another one; the list begins with the common ones."""
        if fact < COMMON:
            return fact
        if fact >= <uint32_t>len(names):
            self.is_whole = False
            return COMMON
        return self.local(names[fact])

    cdef int take_below(self, Below below, uint32_t ordinal) except -1:
        """Reads the spans of an owner of the snapshot, of whom nothing was told yet.

        A fact that has begun as often as it has ceased to hold is over; one more, and it goes on.
        """
        cdef uint32_t at, place, number, instant, met, fact, change
        cdef uint32_t group = ordinal >> below.owner_bits, mark = ordinal & ((<uint32_t>1 << below.owner_bits) - 1)
        cdef uint32_t facts[MOST_SPANS]
        cdef uint32_t edges[MOST_SPANS]
        cdef uint32_t count = 0
        self.old = ordinal
        for number, first in below.firsts:
            if ordinal in first and count < MOST_SPANS:
                facts[count], edges[count] = number, ALWAYS
                count += 1
        met = count
        for at in range(below.offsets[group], below.offsets[group + 1]):
            change = below.order[at]
            if <uint64_t>change >> below.place_bits != mark:
                continue
            place = <uint32_t>(change & ((<uint64_t>1 << below.place_bits) - 1))
            if count == MOST_SPANS:
                self.is_whole = False
                return 0
            number = below.fact_of(place)
            facts[count], edges[count] = number, below.instants[number][place - below.begins[number]]
            count += 1
        for at in range(count):
            number = facts[at]
            if at >= met and is_among(facts, at, number):
                # Its spans were read with its first edge.
                continue
            fact = self.number_of(below, below.names[number])
            instant, place = edges[at], at + 1
            while True:
                while place < count and facts[place] != number:
                    place += 1
                self.add(fact, instant, edges[place] if place < count else FOREVER)
                place += 1
                while place < count and facts[place] != number:
                    place += 1
                if place >= count:
                    break
                instant = edges[place]
                place += 1
        return 0

    cdef uint32_t number_of(self, Below below, str name):
        return below.common[name] if name in below.common else self.local(name)

    cdef bytes pack(self, bytes number, uint32_t address_number, tuple keys, list names):
        """Writes the owner, without an ordinal that counts; the facts past the common ones get numbers as they come."""
        cdef uint32_t at, count = len(keys)
        cdef Py_ssize_t size = HEAD + self.span_count * SPAN + (self.ended_count + self.stated_count) * TOLD
        cdef bytes packed = PyBytes_FromStringAndSize(NULL, size)
        cdef uint8_t *p = <uint8_t *><char *>packed
        memset(p, 0, HEAD)
        store(p, self.old)
        store(p + 4, NO_ORDINAL)
        memcpy(p + 8, <const char *>number, len(number))
        store(p + 18, address_number)
        store(p + 22, self.recorded)
        p[26] = self.traits
        store_short(p + 27, self.changes)
        store_short(p + 29, self.span_count)
        store_short(p + 31, self.ended_count)
        p[33] = self.stated_count
        store_short(p + 34, count)
        p += HEAD
        for at in range(self.span_count):
            store_short(p, self.renumbered(self.spans[at].fact, names))
            store(p + 2, self.spans[at].start)
            store(p + 6, self.spans[at].end)
            p += SPAN
        for at in range(self.ended_count):
            p = self.tell(p, &self.ended[at], names)
        for at in range(self.stated_count):
            p = self.tell(p, &self.stated[at], names)
        return packed + b"".join(keys) + self.rest

    cdef uint8_t *tell(self, uint8_t *p, const Told *told, list names):
        store_short(p, self.renumbered(told.fact, names))
        store(p + 2, told.instant)
        return p + TOLD

    cdef uint32_t renumbered(self, uint32_t fact, list names):
        if fact < COMMON:
            return fact
        name = self.names[fact - COMMON]
        if name not in names:
            names.append(name)
        return COMMON + names.index(name)


cdef inline bint is_among(const uint32_t *facts, uint32_t count, uint32_t fact) noexcept nogil:
    cdef uint32_t at
    for at in range(count):
        if facts[at] == fact:
            return True
    return False
