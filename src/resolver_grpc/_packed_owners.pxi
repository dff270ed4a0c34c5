# A list of packed owners in one stretch of memory.

cdef enum:
    UNIT = 8
    SIZES = 512

cdef uint32_t NO_UNIT = 0xFFFFFFFF


cdef struct Kept:
    # Where an owner lies, in units, and its bytes.
    uint32_t at
    uint32_t size


cdef inline uint64_t units_of(uint64_t size) noexcept nogil:
    return (size + UNIT - 1) // UNIT


cdef class PackedOwners:
    """A list of packed owners, in memory that knows no objects.

    They lie one behind the other, made compact (``_compact_owners.pxi``), in units. What one leaves that is rewritten
    longer or shorter is for the next one of that size; where there is no more room, and more than a fifth lies waste,
    all are gathered anew.
    """

    cdef uint8_t *memory
    cdef uint64_t used
    cdef uint64_t room
    cdef uint64_t waste
    cdef uint32_t left[SIZES]
    cdef Kept *kept
    cdef uint64_t count
    cdef uint64_t kept_room
    # For what is made compact, and for what is written out: one at a time.
    cdef uint8_t *compacted
    cdef uint64_t compacted_room
    cdef uint8_t *expanded
    cdef uint64_t expanded_room

    def __cinit__(self):
        self.memory, self.kept, self.compacted, self.expanded = NULL, NULL, NULL, NULL
        self.compacted_room = self.expanded_room = 0
        self.used = self.room = self.waste = self.count = self.kept_room = 0
        memset(self.left, 0xFF, sizeof(self.left))

    def __dealloc__(self):
        free(self.memory)
        free(self.kept)
        free(self.compacted)
        free(self.expanded)

    def __len__(self):
        return self.count

    def __getitem__(self, Py_ssize_t place):
        self.at(place)
        cdef uint64_t size = self.expand_at(place)
        return (<const char *>self.expanded)[:size]

    def __setitem__(self, Py_ssize_t place, const uint8_t[::1] packed not None):
        self.at(place)
        self.put(place, &packed[0] if packed.shape[0] else NULL, packed.shape[0])

    def append(self, const uint8_t[::1] packed not None):
        """Keeps one more."""
        self.put(self.next(), &packed[0] if packed.shape[0] else NULL, packed.shape[0])

    @property
    def units(self):
        """How many units are in use, and how many of these lie waste."""
        return self.used, self.waste

    cdef const Kept *at(self, Py_ssize_t place) except NULL:
        if not 0 <= place < <Py_ssize_t>self.count:
            raise IndexError("no owner is kept there")
        return &self.kept[place]

    cdef bint look(self, uint64_t place, Owner *owner) except -1:
        """Reads an owner; of use until another one is read. False where it is none."""
        return read_owner(self.expanded, self.expand_at(place), owner)

    cdef int64_t look_at_spans(self, uint64_t place) except -1 nogil:
        """Writes head and spans of an owner out, into ``expanded``; tells how many spans there are."""
        self.make_room_for(place)
        if self.kept[place].size <= 1:
            return 0
        expand_spans(self.held_at(place), self.kept[place].size, self.expanded)
        return load16(self.expanded + 29)

    cdef uint64_t expand_at(self, uint64_t place) except? 0:
        """Writes an owner out; tells its size."""
        self.make_room_for(place)
        return expand(self.held_at(place), self.kept[place].size, self.expanded) if self.kept[place].size else 0

    cdef inline const uint8_t *held_at(self, uint64_t place) noexcept nogil:
        return self.memory + self.kept[place].at * <uint64_t>UNIT

    cdef int make_room_for(self, uint64_t place) except -1 nogil:
        """Makes room to write an owner out."""
        if place >= self.count:
            with gil:
                raise IndexError("no owner is kept there")
        cdef uint64_t room = self.kept[place].size * <uint64_t>LONGEST + HEAD
        if room > self.expanded_room:
            self.expanded = <uint8_t *>resized(self.expanded, 2 * room)
            self.expanded_room = 2 * room
        return 0

    cdef int64_t next(self) except -1:
        """The place of one more, of which nothing is kept yet."""
        if self.count == self.kept_room:
            self.kept_room = self.kept_room + self.kept_room // 4 + 64
            self.kept = <Kept *>resized(self.kept, self.kept_room * sizeof(Kept))
        self.kept[self.count].at = self.kept[self.count].size = 0
        self.count += 1
        return self.count - 1

    cdef int put(self, uint64_t place, const uint8_t *packed, uint64_t size) except -1:
        """Keeps an owner at a place, from memory that is not of this list."""
        if not size:
            self.put_compact(place, NULL, 0)
            return 0
        if most_compact(size) > self.compacted_room:
            self.compacted = <uint8_t *>resized(self.compacted, 2 * most_compact(size))
            self.compacted_room = 2 * most_compact(size)
        return self.put_compact(place, self.compacted, compact(packed, size, self.compacted))

    cdef int put_compact(self, uint64_t place, const uint8_t *held, uint64_t size) except -1:
        cdef uint64_t units = units_of(size), former = units_of(self.kept[place].size)
        if size > 0xFFFFFFFF:
            raise MemoryError("an owner of more bytes than there are numbers for")
        if units != former:
            self.leave(self.kept[place].at, former)
            # Not to be copied, should all be gathered.
            self.kept[place].size = 0
            self.kept[place].at = self.room_for(units)
        self.kept[place].size = size
        if size:
            memcpy(self.memory + self.kept[place].at * <uint64_t>UNIT, held, size)
        return 0

    cdef void leave(self, uint32_t at, uint64_t units) noexcept:
        self.waste += units
        if 0 < units < SIZES:
            store32(self.memory + at * <uint64_t>UNIT, self.left[units])
            self.left[units] = at

    cdef int64_t room_for(self, uint64_t units) except -1:
        cdef uint32_t at = self.left[units] if units < SIZES else NO_UNIT
        if at != NO_UNIT:
            self.left[units] = load32(self.memory + at * <uint64_t>UNIT)
            self.waste -= units
            return at
        if self.used + units > self.room:
            self.make_room(units)
        self.used += units
        return self.used - units

    cdef int make_room(self, uint64_t units) except -1:
        cdef bint is_wasteful = self.waste * 5 > self.used
        cdef uint64_t needed = units + (self.used - self.waste if is_wasteful else self.used)
        cdef uint64_t room = needed + needed // 4 + 1024
        if room >= NO_UNIT:
            raise MemoryError("more owners than there are units for")
        if is_wasteful:
            self.gather(room)
        else:
            self.memory = <uint8_t *>resized(self.memory, room * UNIT)
            self.room = room
        return 0

    cdef int gather(self, uint64_t room) except -1:
        """Takes all owners into fresh memory, without what lies waste."""
        cdef uint8_t *fresh = <uint8_t *>resized(NULL, room * UNIT)
        cdef uint64_t place, used = 0
        for place in range(self.count):
            memcpy(fresh + used * UNIT, self.held_at(place), self.kept[place].size)
            self.kept[place].at = used
            used += units_of(self.kept[place].size)
        free(self.memory)
        self.memory, self.room, self.used, self.waste = fresh, room, used, 0
        memset(self.left, 0xFF, sizeof(self.left))
        return 0


cdef void *resized(void *memory, uint64_t size) except NULL nogil:
    cdef void *larger = realloc(memory, size)
    if not larger:
        with gil:
            raise MemoryError("no memory for what changes come to")
    return larger
