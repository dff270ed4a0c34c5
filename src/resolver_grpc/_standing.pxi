# Of whom each fact holds at an instant, of all packed owners at once: what changes/overlay_facts.py works out of rows.

from array import array


cdef struct Held:
    # Of whom a fact holds: how many, the last of them, and once these are counted where they are written.
    uint64_t count
    uint32_t last
    uint32_t *ordinals


def holding_at(
    PackedOwners packed not None,
    const uint32_t[::1] places not None,
    const uint32_t[::1] new not None,
    facts not None,
    uint32_t count,
    int64_t instant,
    int64_t until,
):
    """What holds of all owners at an instant, and what begins or ends soon after it.

    Args:
        packed: the owners.
        places: where each ordinal of the snapshot is kept, counted from one; 0 for who isn't.
        new: where each ordinal past the snapshot's is kept.
        facts: the numbers of the facts that say that somebody lives somewhere, and that an e-mail address is claimed.
        count: facts have lower numbers.
        instant: UTC seconds, as are the others.
        until: what begins or ends from then on is not told.

    Returns:
        When the last of what holds or doesn't began or ended; by the number of a fact of whom it holds; all
        edges soon after the instant, each above the ordinal of which it is one.

    Raises:
        IndexError: an owner is kept nowhere, or a fact has a higher number.
    """
    cdef Look look = Look(facts, count, instant, until)
    found = look.at_all(packed, places, new)
    # A start leaves much behind that gave way to larger memory, and the C library would keep it.
    RESOLVER_GIVE_BACK()
    return found


cdef class Look:
    """Looks at all owners as of an instant: first it counts, then it writes."""

    cdef int64_t instant
    cdef int64_t until
    cdef uint32_t resident
    cdef uint32_t claim
    cdef uint32_t facts
    cdef int64_t start
    cdef Held *held
    cdef uint64_t edges
    cdef uint64_t *coming

    def __cinit__(self, facts, uint32_t count, int64_t instant, int64_t until):
        self.instant, self.until, self.facts, self.start, self.edges = instant, until, count, 0, 0
        self.resident, self.claim = facts
        self.coming = NULL
        self.held = <Held *>resized(NULL, (count + 1) * sizeof(Held))
        memset(self.held, 0, (count + 1) * sizeof(Held))

    def __dealloc__(self):
        free(self.held)

    cdef tuple at_all(self, PackedOwners packed, const uint32_t[::1] places, const uint32_t[::1] new):
        cdef uint32_t[::1] ordinals
        cdef uint64_t[::1] edges
        cdef uint32_t fact
        self.look(packed, places, new)
        held = [array("I", [0]) * self.held[fact].count for fact in range(self.facts)]
        for fact in range(self.facts):
            ordinals = held[fact]
            self.held[fact].ordinals = &ordinals[0] if self.held[fact].count else NULL
            self.held[fact].count = 0
        ordinals = None
        edges = coming = array("Q", [0]) * self.edges
        self.coming = &edges[0] if self.edges else NULL
        self.edges = 0
        self.look(packed, places, new)
        return self.start, [BitMap(one) for one in held], coming

    cdef int look(self, PackedOwners packed, const uint32_t[::1] places, const uint32_t[::1] new) except -1:
        """Looks at all once; others may run meanwhile, who have nothing to do with these owners."""
        cdef Py_ssize_t ordinal, past = places.shape[0]
        with nogil:
            for ordinal in range(past):
                if places[ordinal]:
                    self.look_at(packed, places[ordinal] - 1, ordinal, True)
            for ordinal in range(new.shape[0]):
                self.look_at(packed, new[ordinal], past + ordinal, False)
        return 0

    cdef int look_at(self, PackedOwners packed, uint64_t place, uint32_t ordinal, bint is_old) except -1 nogil:
        cdef uint32_t at, fact
        cdef int64_t begin, end
        cdef const uint8_t *span
        for at in range(packed.look_at_spans(place)):
            span = packed.expanded + HEAD + at * SPAN
            fact, begin, end = load16(span), load32(span + 2), load32(span + 6)
            if fact >= self.facts:
                with gil:
                    raise IndexError("a fact without a name")
            if begin >= end or is_old and is_left_behind(packed.expanded[26], fact, self.resident, self.claim):
                continue
            self.note(begin, ordinal)
            self.note(end, ordinal)
            if begin <= self.instant < end:
                self.hold(fact, ordinal)
        return 0

    cdef inline void hold(self, uint32_t fact, uint32_t ordinal) noexcept nogil:
        cdef Held *held = &self.held[fact]
        # Spans of one fact may overlap.
        if held.count and held.last == ordinal:
            return
        if held.ordinals:
            held.ordinals[held.count] = ordinal
        held.last = ordinal
        held.count += 1

    cdef inline void note(self, int64_t edge, uint32_t ordinal) noexcept nogil:
        if edge <= self.instant:
            self.start = max(self.start, edge)
        elif edge < self.until:
            if self.coming:
                self.coming[self.edges] = <uint64_t>edge << 32 | ordinal
            self.edges += 1


cdef inline bint is_left_behind(uint8_t traits, uint32_t fact, uint32_t resident, uint32_t claim) noexcept nogil:
    """Whether a fact doesn't hold of an owner's ordinal in the snapshot, see ``kept_owners.left_behind``."""
    return (fact == resident and traits & HAS_HOME) or (fact == claim and traits & HAS_EMAIL)
