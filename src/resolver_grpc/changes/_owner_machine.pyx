# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The machine of ``machine.py``: what the most frequent changes come to, worked out on packed owners.

It knows how owners, pages and keys lie in memory, and a handful of ways in which a list of spans changes. Which event
asks for which of them, and what words, days and homes mean, stands in Python. Whatever is unusual it leaves alone: it
gives None, and the plain way works it out, or says why it is refused. ``Laying`` is the oracle of all that it gives.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

cdef extern from "../blake2b.h" nogil:
    ctypedef struct blake2b_state:
        pass
    void blake2b_begin(blake2b_state *state, size_t digest_size, const uint8_t *key, size_t key_size)
    void blake2b_pass_key(blake2b_state *state)
    void blake2b_update(blake2b_state *state, const uint8_t *bytes, size_t size)
    void blake2b_end(blake2b_state *state, uint8_t *digest, size_t digest_size)

include "_machine_types.pxi"
include "_machine_below.pxi"
include "_machine_owner.pxi"
include "_machine_rules.pxi"


cdef class OwnerMachine:
    """Works out what changes come to over one snapshot; one at a time.

    Args:
        secret: of the snapshot's keys.
        below: where its index lies.
        over: what changes before these came to, see ``machine.Over``.
        base: names the snapshot, as ``after.py`` has it.
        window: its horizon.
        rests: reads and writes what few owners have: ``rests.py``.
        road_kind: the kind of the keys of homes whose codes are known.
        soon: seconds for which a login must count without another one, for it to be taken without the record.

    Raises:
        ValueError: a name or a secret of a broken length.
    """

    cdef Below below
    cdef object over
    cdef object rests
    cdef bytes base
    cdef uint32_t start
    cdef uint32_t until
    cdef uint8_t road_kind
    cdef uint32_t soon
    cdef blake2b_state begun
    cdef Work work

    def __init__(
        self, const uint8_t[::1] secret, Below below not None, over, bytes base not None, window, rests,
        uint8_t road_kind, uint32_t soon,
    ):
        self.below, self.over, self.base, self.rests = below, over, base, rests
        self.start, self.until = window
        self.road_kind, self.soon = road_kind, soon
        self.work = Work()
        if len(base) != BASE or not 0 < secret.shape[0] <= 64:
            raise ValueError("a name or a secret of a broken length")
        blake2b_begin(&self.begun, KEY, &secret[0], secret.shape[0])
        blake2b_pass_key(&self.begun)

    def work_out(
        self, bytes number not None, bytes form not None, bytes former, uint32_t instant, int way, str fact,
        uint32_t value, str address, tuple record,
    ):
        """What a change comes to.

        Args:
            number: its owner's number.
            form: what the key of that number is made of.
            former: what the last change of the group to this owner came to; None where there was none.
            instant: when it takes effect.
            way: in which way the fact changes.
            fact: the fact that changes.
            value: an instant that the way asks for.
            address: an e-mail address that the way asks for.
            record: what the register's record says, see ``machine.py``; None without one.

        Returns:
            The keys that lead to the owner from then on, and what ``Overlay.after`` gives; None where the plain way is
            to work that out.
        """
        cdef Work work = self.work
        cdef uint8_t key[KEY]
        cdef bint was_reached
        if not 0 < len(number) <= NUMBER:
            return None
        hash_form(&self.begun, form, key)
        work.begin()
        if not self.load(number, key, former) or not work.has(MAILBOX):
            return None
        if way == LASTS and record is None and not lasts_until(work, LOGIN, <uint64_t>instant + self.soon):
            # Who comes back may have to bring the record along.
            return None
        was_reached = is_reached(work, BY_ADDRESS, ALWAYS, FOREVER)
        if way == IS_VERIFIED:
            if not self.verify(address, instant):
                return None
        elif not change_fact(work, way, instant, work.number_of(self.below, fact), value):
            return None
        return self.finish(number, key, was_reached, instant, record)

    cdef bint load(self, bytes number, const uint8_t *key, bytes former) except -1:
        """Reads the owner as it is so far; False where it isn't known, or is unusual."""
        cdef bytes packed
        cdef uint32_t ordinal = 0
        cdef int64_t size
        if former is not None:
            if len(former) < AFTER_HEAD:
                return False
            size = AFTER_HEAD + load_short(<const uint8_t *><char *>former + AFTER_HEAD - 2)
            names = former[AFTER_HEAD:size].decode().split("\n") if size > AFTER_HEAD else []
            return self.read(number, former[size:], [None] * COMMON + names)
        over = self.over.under(key[:KEY])
        if over:
            ordinal = over[len(over) - 1]
        elif over is not None or not self.below.find(key, &ordinal) or ordinal >= self.below.owners:
            return False
        packed = self.over.packed(ordinal)
        if packed is not None:
            return self.read(number, packed, self.over.fact_names)
        return self.take_untouched(number, ordinal)

    cdef bint read(self, bytes number, bytes packed, list names):
        """Reads a packed owner; False of one with an old number, or with another than the change has."""
        cdef Work work = self.work
        if not work.unpack(packed, names) or work.traits & (HAS_ODD_NUMBER | HAS_EMAIL) or work.old == NO_ORDINAL:
            return False
        return work.is_whole and packed[8 : 8 + NUMBER].rstrip(b"\0") == number

    cdef bint take_untouched(self, bytes number, uint32_t ordinal) except -1:
        """Reads an owner of the snapshot, as ``Laying`` does; False of one with another number, or that forwards."""
        cdef Work work = self.work
        cdef uint32_t at, fact, claimed = 0
        cdef bint has_claim = False
        if bytes(self.below.numbers[ordinal]).rstrip(b"\0") != number or self.below.index.forwarding_address(ordinal):
            return False
        work.take_below(self.below, ordinal)
        for at in range(work.span_count):
            fact = work.spans[at].fact
            if fact == CLAIM:
                has_claim, claimed = True, work.spans[at].start
            if fact in (PROTECTION, EXEMPT, FORWARDING, LOGIN) or work.spans[at].end == FOREVER:
                continue
            if at + 1 == work.span_count or work.spans[at + 1].fact != fact:
                work.end(fact, work.spans[at].end)
        if has_claim:
            # The snapshot has no key of a claim by which nobody is reached in its horizon.
            has_claim = is_reached(work, BY_EMAIL, self.start, self.until)
            if not has_claim:
                know(work, CLAIM, NULL, 0)
            work.rest = self.rests.of_claim(claimed, has_claim)
        if not is_reached(work, BY_ADDRESS, self.start, self.until):
            work.traits |= IS_KEYLESS
        return work.is_whole

    cdef bint verify(self, str address, uint32_t instant) except -1:
        """Notes that an e-mail address was verified, by who claims none that a change told."""
        rest, is_known = self.rests.verified(self.work.rest, address, instant)
        self.work.rest = rest
        if not is_known:
            know(self.work, CLAIM, NULL, 0)
        return True

    cdef object finish(self, bytes number, const uint8_t *key, bint was_reached, uint32_t instant, tuple record):
        """Takes the record, finds the keys, and packs the owner."""
        cdef Work work = self.work
        cdef bint is_reached_now, has_new_home = False
        cdef bytes home_form = b""
        if record is not None:
            has_new_home = self.take_record(instant, record)
        is_reached_now = is_reached(work, BY_ADDRESS, ALWAYS, FOREVER)
        if work.traits & IS_KEYLESS and not work.traits & HAS_HOME:
            if is_reached(work, BY_ADDRESS, self.start, self.until):
                return None
        if has_new_home:
            keys, home_form = self.keys_of(key, record[4] if is_reached_now else ()), record[5]
        elif work.traits & HAS_HOME:
            home_form = self.rests.home_form(work.rest)
            if is_reached_now and was_reached:
                keys = self.kept_keys()
            else:
                keys = self.keys_of(key, self.rests.forms(work.rest) if is_reached_now else ())
        else:
            keys = (key[:KEY],)
        work.changes = (work.changes + 1) & 0xFFFF
        return (keys, self.pack(number, keys, home_form)) if work.is_whole else None

    cdef bint take_record(self, uint32_t instant, tuple record) except -1:
        """Lets a record of the register count; tells whether its home does."""
        cdef Work work = self.work
        cdef bytes home = record[2]
        state_protections(work, instant, record[3])
        if not counts(work, instant):
            return False
        rest, is_same = self.rests.with_home(work.rest, home)
        settle_home(work, instant, is_same, record[0], record[1])
        work.rest = rest
        work.traits |= HAS_HOME
        return True

    cdef tuple keys_of(self, const uint8_t *key, tuple forms):
        """The keys of a number and of forms, each once."""
        cdef uint8_t made[KEY]
        cdef dict keys = {key[:KEY]: None}
        for form in forms:
            hash_form(&self.begun, form, made)
            keys[made[:KEY]] = None
        return tuple(keys)

    cdef tuple kept_keys(self):
        cdef bytes keys = self.work.keys
        return tuple([keys[at : at + KEY] for at in range(0, len(keys), KEY)])

    cdef bytes pack(self, bytes number, tuple keys, bytes home_form):
        """Writes what ``after.pack_after`` does."""
        cdef Work work = self.work
        cdef uint8_t home[KEY]
        cdef uint8_t head[AFTER_HEAD]
        cdef uint32_t known = 0, slot = 0, address_number = 0, place = 0
        cdef list names = []
        cdef bytes packed
        memset(home, 0, KEY)
        if home_form:
            hash_form(&self.begun, home_form, home)
            if home_form[0] == self.road_kind:
                address_number = self.below.residents(home)
        for one in keys[:MOST_KNOWN]:
            if self.below.find(<const uint8_t *><char *>one, &slot):
                known |= <uint32_t>1 << place
            place += 1
        packed = work.pack(number, address_number, keys, names)
        told = "\n".join(names).encode()
        memcpy(head, <const char *>self.base, BASE)
        memcpy(head + BASE, home, KEY)
        store(head + BASE + KEY, known)
        store_short(head + BASE + KEY + 4, len(told))
        return head[:AFTER_HEAD] + told + packed
