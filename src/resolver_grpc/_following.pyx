# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Laying down what others worked out, many changes at once: what ``changes.overlay.Overlay.follow`` does, much faster.

What belongs here: the usual change alone. Whoever has an odd number, told an e-mail address, or is led to by fewer keys
than before is left to Python, one by one.
"""

from heapq import heappush

from cpython.buffer cimport Py_buffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

from pyroaring import BitMap

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define RESOLVER_PREFETCH(p) __builtin_prefetch(p)
    #else
    #define RESOLVER_PREFETCH(p) ((void)(p))
    #endif
    #if defined(__GLIBC__)
    #include <malloc.h>
    #define RESOLVER_GIVE_BACK() ((void)malloc_trim(0))
    #else
    #define RESOLVER_GIVE_BACK() ((void)0)
    #endif
    """
    void RESOLVER_PREFETCH(const void *p) nogil
    void RESOLVER_GIVE_BACK()

include "_places.pxi"
include "_owners.pxi"
include "_compact_owners.pxi"
include "_packed_owners.pxi"
include "_standing.pxi"
include "_below.pxi"
include "_led_keys.pxi"

cdef enum:
    BASE = 8
    AFTER_HEAD = 30
    CHANGES = 65536
    MOST_KNOWN = 32
    # Who has more of them than that is left to Python, for each is compared with each.
    MOST = 64


cdef struct After:
    # See changes/after.py.
    const uint8_t *home_key
    uint32_t known_keys
    const uint8_t *names
    uint64_t names_size
    Owner owner


cdef class Following:
    """Lays usual changes over an overlay.

    Args:
        overlay: the ``Overlay``, of which it writes what ``follow`` writes.
        base: what stands for the snapshot's name.
        facts: the numbers of the facts that say that somebody lives somewhere, and that an e-mail address is claimed,
            and the first number of a fact that is not ``Fact``'s.
        pages: the pages of the snapshot's index, and for each whether it was checked; none where it has no pages.
    """

    cdef object overlay
    cdef object kept
    cdef object facts
    cdef object columns
    cdef bytes base
    cdef PackedOwners packed
    cdef uint32_t[::1] places
    cdef BelowKeys below
    cdef LedKeys keys
    cdef LedKeys homes
    cdef dict numbers
    cdef uint32_t resident
    cdef uint32_t claim
    cdef uint32_t common
    cdef uint32_t past
    cdef uint32_t owners
    # What is laid down now, and as of when.
    cdef bytearray written
    cdef uint16_t renamed[MOST]
    cdef bint is_asked
    cdef int64_t start
    cdef int64_t instant
    cdef int64_t known_until
    cdef list held
    cdef list coming
    cdef object touched
    cdef object altered

    def __init__(self, overlay, bytes base, facts, pages):
        self.below = BelowKeys(overlay.below, *pages)
        self.overlay, self.base = overlay, base
        self.kept, self.facts, self.columns = overlay.kept, overlay.facts, overlay.columns
        self.packed, self.places = self.kept.packed_owners, self.kept.places
        self.past = overlay.below.owners
        self.keys, self.homes = LedKeys(overlay.table), LedKeys(overlay.homes)
        self.numbers = {}
        self.resident, self.claim, self.common = facts
        self.written = bytearray()

    def follow(self, list afters not None, Py_ssize_t first):
        """Takes the next changes as far as they are usual.

        Args:
            afters: what ``Overlay.after`` gave.
            first: where the first of them stands.

        Returns:
            How many were taken; what comes next is not usual, or not to be followed.
        """
        cdef Py_ssize_t at = first
        cdef After after
        cdef bytes one
        self.begin()
        try:
            while at < len(afters):
                one = afters[at]
                if not self.read_after(one, &after) or not self.lay(&after):
                    break
                at += 1
        finally:
            self.end(at - first)
        return at - first

    cdef int begin(self) except -1:
        """Looks at what others may have changed meanwhile."""
        # An index that is closed says so.
        self.overlay.below.find([])
        self.keys.look()
        self.homes.look()
        self.owners = self.kept.owners
        facts = self.facts
        self.start, self.instant, self.known_until = facts.start, facts.instant, facts.known_until
        self.is_asked = facts.is_asked
        self.held, self.coming, self.touched, self.altered = facts.held, facts.coming, facts.touched, facts.altered
        return 0

    cdef int end(self, Py_ssize_t taken) except -1:
        self.kept.owners = self.owners
        self.facts.start = self.start
        self.overlay.version += taken
        return 0

    cdef bint read_after(self, bytes packed, After *after) except -1:
        """Reads what is to be followed; False of what is not usual."""
        cdef const uint8_t *begin = <const uint8_t *>PyBytes_AS_STRING(packed)
        cdef uint64_t size = PyBytes_GET_SIZE(packed), packed_at
        if size < AFTER_HEAD or memcmp(begin, PyBytes_AS_STRING(self.base), BASE):
            return False
        after.home_key, after.known_keys = begin + BASE, load32(begin + BASE + KEY)
        after.names, after.names_size = begin + AFTER_HEAD, load16(begin + BASE + KEY + 4)
        packed_at = AFTER_HEAD + after.names_size
        if packed_at > size or not read_owner(begin + packed_at, size - packed_at, &after.owner):
            return False
        cdef Owner *owner = &after.owner
        if owner.traits & (HAS_EMAIL | HAS_ODD_NUMBER) or owner.old >= self.past:
            return False
        return owner.spans <= MOST and owner.keys <= MOST

    cdef bint lay(self, After *after) except -1:
        """Lays an owner down; False where that is not usual, or not to be followed, and nothing was done."""
        cdef Owner former, owner
        cdef Owner *before = NULL
        cdef uint32_t kept_at = self.places[after.owner.old], known = 0, new = NO_ORDINAL
        if kept_at:
            if not self.packed.look(kept_at - 1, &former) or former.old != after.owner.old or former.spans > MOST:
                return False
            before, known, new = &former, former.changes, former.new
        if after.owner.changes != (known + 1) % CHANGES:
            return False
        if new == NO_ORDINAL and after.owner.traits & HAS_HOME:
            new = self.owners
        if before and new != NO_ORDINAL and not leads_on(before, &after.owner):
            return False
        if after.names_size and not self.rename(after):
            return False
        self.write(after, new, self.home_number(after), &owner)
        if owner.address_number > self.past:
            self.number_home(after.home_key, owner.address_number)
        if new != NO_ORDINAL:
            self.put_columns(&owner)
            self.lead(&owner, before, after.known_keys)
        self.put_facts(&owner, before)
        self.put(&owner, kept_at)
        return True

    cdef bint rename(self, After *after) except -1:
        """Finds the numbers that the names of facts have here; False where there are too many, or too few."""
        cdef const uint8_t *begin = after.names
        cdef const uint8_t *end = after.names + after.names_size
        cdef const uint8_t *stop
        cdef uint32_t count = 0, at
        cdef Owner *owner = &after.owner
        for at in range(owner.spans):
            count = max(count, load16(owner.first_span + at * SPAN) + 1)
        for at in range(owner.told):
            count = max(count, load16(owner.first_told + at * TOLD) + 1)
        cdef uint32_t needed = count - self.common if count > self.common else 0
        count = 0
        while begin <= end:
            stop = <const uint8_t *>memchr(begin, 10, end - begin)
            stop = stop if stop else end
            if count == MOST:
                return False
            count += 1
            begin = stop + 1
        if count < needed:
            return False
        begin, count = after.names, 0
        while begin <= end:
            stop = <const uint8_t *>memchr(begin, 10, end - begin)
            stop = stop if stop else end
            self.renamed[count] = self.number_of((<const char *>begin)[:stop - begin])
            count += 1
            begin = stop + 1
        return True

    cdef uint32_t number_of(self, bytes name) except? 0:
        found = self.numbers.get(name)
        if found is None:
            found = self.kept.names.number(name.decode())
            if found > 0xFFFF:
                raise OverflowError("more facts than there are numbers for")
            self.numbers[name] = found
        return found

    cdef uint32_t home_number(self, After *after) except? 0:
        """The number of an owner's home; 0 where no change told one."""
        cdef int place
        if after.owner.address_number:
            return after.owner.address_number
        for place in range(KEY):
            if after.home_key[place]:
                return self.homes.only(after.home_key, self.past + 1 + <uint32_t>self.overlay.home_count)
        return 0

    cdef int number_home(self, const uint8_t *home_key, uint32_t number) except -1:
        cdef Below nobody = Below(0, 0)
        if self.homes.only(home_key, 0) == 0:
            self.homes.lead(home_key, nobody, number, NO_ORDINAL)
            self.overlay.home_count += 1
        return 0

    cdef int write(self, After *after, uint32_t new, uint32_t address_number, Owner *owner) except -1:
        """Writes an owner as it is to be kept; without a new ordinal there are no keys that lead to it."""
        cdef const Owner *told = &after.owner
        cdef uint32_t keys = told.keys if new != NO_ORDINAL else 0, at
        cdef uint64_t before = told.first_key - told.head, after_keys = told.end - told.rest
        cdef uint64_t size = before + keys * KEY + after_keys
        if <uint64_t>len(self.written) < size:
            self.written = bytearray(2 * size)
        cdef uint8_t *written = <uint8_t *><char *>self.written
        memcpy(written, told.head, before + keys * KEY)
        memcpy(written + before + keys * KEY, told.rest, after_keys)
        store32(written + 4, new)
        store32(written + 18, address_number)
        store16(written + 34, keys)
        read_owner(written, size, owner)
        if after.names_size:
            for at in range(owner.spans):
                self.renumber(<uint8_t *>owner.first_span + at * SPAN)
            for at in range(owner.told):
                self.renumber(<uint8_t *>owner.first_told + at * TOLD)
        return 0

    cdef inline void renumber(self, uint8_t *fact) noexcept:
        cdef uint32_t number = load16(fact)
        if number >= self.common:
            store16(fact, self.renamed[number - self.common])

    cdef int put_columns(self, const Owner *owner) except -1:
        cdef uint64_t place = owner.new - self.past
        if place >= <uint64_t>self.columns.room:
            self.columns.make_room(place)
        cdef bytearray held = self.columns.numbers, addresses = self.columns.address_numbers
        memcpy(<char *>held + place * 10, owner.head + 8, 10)
        store32(<uint8_t *><char *>addresses + place * 4, owner.address_number)
        return 0

    cdef int lead(self, const Owner *owner, const Owner *before, uint32_t known_keys) except -1:
        """Lets keys lead to an owner's new ordinal, in its old one's place."""
        cdef uint32_t at
        cdef bint is_below
        cdef const uint8_t *key
        for at in range(owner.keys):
            self.keys.expect(owner.first_key + at * KEY)
        for at in range(owner.keys):
            key = owner.first_key + at * KEY
            if before and has_key(before, key):
                continue
            is_below = at >= MOST_KNOWN or known_keys >> at & 1
            if not self.keys.lead(key, self.below.under(key) if is_below else Below(0, 0), owner.new, owner.old):
                self.overlay.lead((<const char *>key)[:KEY], owner.old, owner.new, is_below=is_below)
                self.keys.look()
        return 0

    cdef int put_facts(self, const Owner *owner, const Owner *before) except -1:
        if owner.new != NO_ORDINAL:
            self.put_facts_of(owner, before, owner.new, False)
        return self.put_facts_of(owner, before, owner.old, True)

    cdef int put_facts_of(self, const Owner *owner, const Owner *before, uint32_t ordinal, bint is_old) except -1:
        """Lays the facts of one ordinal down, see ``OverlayFacts.put``."""
        cdef uint32_t at, fact
        cdef const uint8_t *span
        cdef bint was
        cdef const Owner *held_before = before if before and (is_old or before.new != NO_ORDINAL) else NULL
        if held_before == NULL:
            self.touched.add(ordinal)
        if not self.is_asked:
            return 0
        if held_before:
            for at in range(before.spans):
                fact = load16(before.first_span + at * SPAN)
                if self.holds(before, fact, is_old) and not self.holds(owner, fact, is_old):
                    self.held[fact].discard(ordinal)
        for at in range(owner.spans):
            span = owner.first_span + at * SPAN
            fact = load16(span)
            if is_old and is_left_behind(owner.traits, fact, self.resident, self.claim):
                continue
            self.note_edges(ordinal, load32(span + 2), load32(span + 6))
            was = held_before != NULL and self.holds(before, fact, is_old)
            if not was and load32(span + 2) <= self.instant < load32(span + 6):
                while <uint32_t>len(self.held) <= fact:
                    self.held.append(BitMap())
                self.held[fact].add(ordinal)
        self.altered.append(ordinal)
        return 0

    cdef bint holds(self, const Owner *owner, uint32_t fact, bint is_old) noexcept:
        """Whether a fact holds of an owner's old or new ordinal as of the instant of the sets."""
        cdef const uint8_t *span
        cdef uint32_t at
        if is_old and is_left_behind(owner.traits, fact, self.resident, self.claim):
            return False
        for at in range(owner.spans):
            span = owner.first_span + at * SPAN
            if load16(span) == fact and load32(span + 2) <= self.instant < load32(span + 6):
                return True
        return False

    cdef int note_edges(self, uint32_t ordinal, int64_t begin, int64_t end) except -1:
        """Notes when a fact begins or ends, if that is near."""
        cdef int64_t edge
        if begin >= end:
            return 0
        for edge in (begin, end):
            if self.instant < edge < self.known_until:
                heappush(self.coming, edge << 32 | ordinal)
            elif self.start < edge <= self.instant:
                self.start = edge
        return 0

    cdef int put(self, const Owner *owner, uint32_t kept_at) except -1:
        """Keeps an owner, under its ordinals."""
        if not kept_at:
            kept_at = self.packed.next() + 1
            self.places[owner.old] = kept_at
        self.packed.put(kept_at - 1, owner.head, owner.end - owner.head)
        if owner.new != NO_ORDINAL and owner.new >= self.owners:
            self.kept.new_places.append(kept_at - 1)
            self.owners += 1
        return 0


def afters_in(list plains not None):
    """What was worked out, of entries of the log that were deciphered; see ``changes.log_sealing.after_in``.

    Raises:
        ValueError: one is shorter than it says.
    """
    cdef bytes plain
    cdef const uint8_t *begin
    cdef uint64_t size, at, end
    found = []
    for plain in plains:
        begin, size = <const uint8_t *>PyBytes_AS_STRING(plain), PyBytes_GET_SIZE(plain)
        at = 2 + (begin[0] << 8 | begin[1]) * <uint64_t>KEY if size >= 2 else size
        end = at + 2 + (begin[at] << 8 | begin[at + 1]) if at + 2 <= size else size + 1
        if end > size:
            raise ValueError("an entry that is shorter than it says")
        found.append((<const char *>begin + at + 2)[:end - at - 2])
    return found


cdef bint has_key(const Owner *owner, const uint8_t *key) noexcept nogil:
    cdef uint32_t at
    for at in range(owner.keys):
        if not memcmp(owner.first_key + at * KEY, key, KEY):
            return True
    return False


cdef bint leads_on(const Owner *before, const Owner *owner) noexcept nogil:
    """Whether all keys that led to an owner do so still."""
    cdef uint32_t at
    for at in range(before.keys):
        if not has_key(owner, before.first_key + at * KEY):
            return False
    return True
