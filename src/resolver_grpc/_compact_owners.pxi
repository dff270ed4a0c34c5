# Packed owners made shorter, exactly: what most of them have alike is left out or stands in one byte.

cdef enum:
    # Of what the head has; the counts and the number of changes have two bytes each, one where they are small.
    HAS_NEW = 1
    HAS_ADDRESS_NUMBER = 2
    HAS_RECORDED = 4
    HAS_DIGITS = 8
    HAS_WIDE_COUNTS = 16
    HAS_WORDS = 32
    # Nothing is left out: it is no owner, or an odd one.
    IS_VERBATIM = 255
    # Of what a span has, above the number of its fact: as it is below FEW_FACTS, then with one byte more.
    HAS_START = 128
    HAS_END = 64
    FEW_FACTS = 48
    MOST_FACTS = FEW_FACTS + 16 * 256
    FOREVER = 0xFFFFFFFF
    DIGITS = 10
    COUNTS = 5
    # Bytes below stand for words: as JSON is written there it has none of them.
    MOST_WORDS = 32
    # Of what one byte stands for: a word, or a span.
    LONGEST = 24


# What the rest of owners is made of, by the first byte, longer ones first; see owner_packing._rest_of.
cdef tuple WORDS = (
    b'"],"names":["', b'"],"claimed":', b'"],["', b'"],"', b'","","', b'","', b'"]}', b'":', b'"tv"', b'"th"',
    b',"email_address":null}', b',"email_address":"', b',"claimed":', b',"verified":{"', b',"dropped":{"',
    b',"forwarding_address":"', b',"home":[["', b',"names":["',
    b'{"home":[["', b'{"old_numbers":["', b'{"claimed":', b'{"verified":{"', b'{"forwarding_address":"',
    b'{"email_address":"', b'{"names":["',
    b'gade', b'vej', b'sen', b'@', b'.dk', b'.com',
)  # fmt: skip

cdef const uint8_t *WORD[MOST_WORDS]
cdef uint32_t WORD_SIZE[MOST_WORDS]
# By the first byte of a word, the first of those with it; 0 for none.
cdef uint8_t FIRST_WORD[256]
memset(FIRST_WORD, 0, sizeof(FIRST_WORD))
cdef int _word
cdef uint32_t WORDS_IN_ALL = len(WORDS)
assert WORDS_IN_ALL < MOST_WORDS and max(map(len, WORDS)) <= LONGEST
for _word in range(len(WORDS), 0, -1):
    WORD[_word] = <const uint8_t *>PyBytes_AS_STRING(WORDS[_word - 1])
    WORD_SIZE[_word] = len(WORDS[_word - 1])
    FIRST_WORD[WORD[_word][0]] = _word


# Where in the head the number of changes lies, and the counts.
cdef uint8_t[COUNTS] COUNT_AT = [27, 29, 31, 33, 34]


cdef inline uint64_t most_compact(uint64_t size) noexcept nogil:
    """Room enough to make an owner of some bytes compact: the span that turns out to be too long lies in it."""
    return size + SPAN + 1


cdef uint64_t compact(const uint8_t *packed, uint64_t size, uint8_t *into) noexcept nogil:
    """Writes a packed owner compactly; gives how many bytes it has then, ``most_compact`` at most."""
    cdef Owner owner
    cdef uint8_t *end = NULL
    if size > HEAD and read_owner(packed, size, &owner):
        end = compact_owner(&owner, into, into + size)
    if end:
        return end - into
    into[0] = IS_VERBATIM
    memcpy(into + 1, packed, size)
    return size + 1


cdef uint8_t *compact_owner(const Owner *owner, uint8_t *into, const uint8_t *limit) noexcept nogil:
    """Gives where it ends; NULL where it would not be shorter."""
    cdef const uint8_t *head = owner.head
    cdef uint32_t recorded = load32(head + 22), flags = 0, at
    cdef int digit
    cdef uint8_t *to = into + 1
    flags |= HAS_NEW if owner.new != NO_ORDINAL else 0
    flags |= HAS_ADDRESS_NUMBER if owner.address_number else 0
    flags |= HAS_RECORDED if recorded else 0
    flags |= HAS_WIDE_COUNTS if head[28] | head[30] | head[32] | head[35] else 0
    flags |= HAS_DIGITS
    for digit in range(DIGITS):
        if not 48 <= head[8 + digit] < 58:
            flags &= ~HAS_DIGITS
    to = put_bytes(to, head, 4)
    to = put_bytes(to, head + 26, 1)
    if flags & HAS_DIGITS:
        for digit in range(0, DIGITS, 2):
            to[0] = (head[8 + digit] - 48) << 4 | (head[9 + digit] - 48)
            to += 1
    else:
        to = put_bytes(to, head + 8, DIGITS)
    to = put_bytes(to, head + 4, 4 if flags & HAS_NEW else 0)
    to = put_bytes(to, head + 18, 4 if flags & HAS_ADDRESS_NUMBER else 0)
    to = put_bytes(to, head + 22, 4 if flags & HAS_RECORDED else 0)
    if flags & HAS_WIDE_COUNTS:
        to = put_bytes(to, head + 27, 9)
    else:
        for digit in range(COUNTS):
            to = put_bytes(to, head + COUNT_AT[digit], 1)
    for at in range(owner.spans):
        to = compact_span(owner.first_span + at * SPAN, to)
        if to == NULL or to >= limit:
            return NULL
    if to + (owner.rest - owner.first_told) + (owner.end - owner.rest) >= limit:
        return NULL
    to = put_bytes(to, owner.first_told, owner.rest - owner.first_told)
    cdef uint8_t *end = put_words(to, owner.rest, owner.end)
    if end:
        flags |= HAS_WORDS
    else:
        end = put_bytes(to, owner.rest, owner.end - owner.rest)
    into[0] = flags
    return end


cdef uint8_t *compact_span(const uint8_t *span, uint8_t *to) noexcept nogil:
    cdef uint32_t fact = load16(span), start = load32(span + 2), end = load32(span + 6)
    cdef uint32_t flags = (HAS_START if start else 0) | (HAS_END if end != FOREVER else 0)
    if fact >= MOST_FACTS:
        return NULL
    if fact < FEW_FACTS:
        to[0] = flags | fact
        to += 1
    else:
        to[0] = flags | FEW_FACTS + (fact - FEW_FACTS >> 8)
        to[1] = fact - FEW_FACTS & 0xFF
        to += 2
    to = put_bytes(to, span + 2, 4 if start else 0)
    return put_bytes(to, span + 6, 4 if end != FOREVER else 0)


cdef uint8_t *put_words(uint8_t *to, const uint8_t *text, const uint8_t *end) noexcept nogil:
    """Writes a text in words; NULL where it has bytes that stand for words."""
    cdef uint32_t word
    while text < end:
        if text[0] < MOST_WORDS:
            return NULL
        word = FIRST_WORD[text[0]]
        while word and not (WORD_SIZE[word] <= <uint64_t>(end - text) and not memcmp(text, WORD[word], WORD_SIZE[word])):
            word = word + 1 if word < WORDS_IN_ALL and WORD[word + 1][0] == text[0] else 0
        to[0] = word if word else text[0]
        to += 1
        text += WORD_SIZE[word] if word else 1
    return to


cdef inline uint8_t *put_bytes(uint8_t *to, const uint8_t *source, uint64_t size) noexcept nogil:
    memcpy(to, source, size)
    return to + size


cdef uint64_t expand(const uint8_t *held, uint64_t size, uint8_t *into) noexcept nogil:
    """Writes out what ``compact`` wrote; gives how many bytes it has, ``LONGEST`` times as many at most."""
    cdef const uint8_t *at = expand_spans(held, size, into)
    cdef const uint8_t *end = held + size
    if held[0] == IS_VERBATIM:
        return size - 1
    cdef uint8_t *to = into + HEAD + load16(into + 29) * SPAN
    cdef uint64_t number = (load16(into + 31) + into[33]) * TOLD + load16(into + 34) * KEY
    to = put_bytes(to, at, number)
    at += number
    if not held[0] & HAS_WORDS:
        return put_bytes(to, at, end - at) - into
    while at < end:
        if at[0] < MOST_WORDS:
            to = put_bytes(to, WORD[at[0]], WORD_SIZE[at[0]])
        else:
            to[0] = at[0]
            to += 1
        at += 1
    return to - into


cdef const uint8_t *expand_spans(const uint8_t *held, uint64_t size, uint8_t *into) noexcept nogil:
    """Writes out head and spans of what ``compact`` wrote; all of it where that is verbatim. Gives how far it read."""
    cdef const uint8_t *at = held + 1
    cdef uint8_t *to = into
    cdef uint32_t number
    if held[0] == IS_VERBATIM:
        memcpy(into, at, size - 1)
        return held + size
    at = expand_head(at, held[0], to)
    to += HEAD
    for number in range(load16(into + 29)):
        at = expand_span(at, to)
        to += SPAN
    return at


cdef const uint8_t *expand_head(const uint8_t *at, uint8_t flags, uint8_t *head) noexcept nogil:
    cdef int digit
    memset(head, 0, HEAD)
    at = take_bytes(head, at, 4)
    at = take_bytes(head + 26, at, 1)
    if flags & HAS_DIGITS:
        for digit in range(0, DIGITS, 2):
            head[8 + digit], head[9 + digit] = 48 + (at[0] >> 4), 48 + (at[0] & 15)
            at += 1
    else:
        at = take_bytes(head + 8, at, DIGITS)
    store32(head + 4, NO_ORDINAL)
    at = take_bytes(head + 4, at, 4 if flags & HAS_NEW else 0)
    at = take_bytes(head + 18, at, 4 if flags & HAS_ADDRESS_NUMBER else 0)
    at = take_bytes(head + 22, at, 4 if flags & HAS_RECORDED else 0)
    if flags & HAS_WIDE_COUNTS:
        return take_bytes(head + 27, at, 9)
    for digit in range(COUNTS):
        at = take_bytes(head + COUNT_AT[digit], at, 1)
    return at


cdef const uint8_t *expand_span(const uint8_t *at, uint8_t *span) noexcept nogil:
    cdef uint8_t flags = at[0]
    cdef uint32_t fact = flags & 63
    at += 1
    if fact >= FEW_FACTS:
        fact = FEW_FACTS + ((fact - FEW_FACTS) << 8) + at[0]
        at += 1
    store16(span, fact)
    store32(span + 2, 0)
    store32(span + 6, FOREVER)
    at = take_bytes(span + 2, at, 4 if flags & HAS_START else 0)
    return take_bytes(span + 6, at, 4 if flags & HAS_END else 0)


cdef inline const uint8_t *take_bytes(uint8_t *to, const uint8_t *source, uint64_t size) noexcept nogil:
    memcpy(to, source, size)
    return source + size
