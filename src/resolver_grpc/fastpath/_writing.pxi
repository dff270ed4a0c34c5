# Decisions as fields of the response, in the order in which protobuf writes them; and what their targets' handles say.

cdef inline int64_t write_row(
    uint8_t *to, const Row *row, Judge judge, const uint32_t *reached, const uint8_t *handles
) noexcept nogil:
    """Writes a decision: its size, its reference, two numbers of two bytes, and its targets."""
    cdef int64_t at = 2, number, targets = targets_of(judge, row)
    cdef bint is_long = targets * TARGET > 0x7F - MAX_REFERENCE
    at += is_long
    if row.reference_size:
        to[at], to[at + 1] = 1 << 3 | LENGTH, row.reference_size
        memcpy(to + at + 2, row.reference, row.reference_size)
        at += 2 + row.reference_size
    to[at], to[at + 1], to[at + 2], to[at + 3] = 2 << 3, row.route, 3 << 3, row.reason
    at += 4
    for number in range(targets):
        at += write_target(
            to + at, judge, row.recipe.kind, reached[number] if row.recipe.everyone else row.ordinal,
            handles + number * HANDLE
        )
    return at + write_head(to, at, is_long)


cdef inline int64_t write_head(uint8_t *to, int64_t end, bint is_long) noexcept nogil:
    """Writes a row's tag and size before it; moves it where its size takes less room than was left for it."""
    cdef int64_t head = 2 + is_long, size = end - head
    to[0] = 1 << 3 | LENGTH
    if is_long and size < 0x80:
        memmove(to + 2, to + head, size)
        to[1] = size
        return -1
    to[1] = size & 0x7F | (0x80 if is_long else 0)
    if is_long:
        to[2] = size >> 7
    return 0


cdef inline int64_t write_target(
    uint8_t *to, Judge judge, uint8_t kind, uint32_t ordinal, const uint8_t *handle
) noexcept nogil:
    cdef const uint8_t *number = number_of(judge, ordinal)
    cdef int64_t at = 4 + HANDLE, digits = NUMBER
    to[0], to[2], to[3] = 5 << 3 | LENGTH, 1 << 3 | LENGTH, HANDLE
    memcpy(to + 4, handle, HANDLE)
    if judge.targets[kind] & TELLS_NUMBER:
        while digits and not number[digits - 1]:
            digits -= 1
        to[at], to[at + 1] = 2 << 3 | LENGTH, digits
        memcpy(to + at + 2, number, digits)
        at += 2 + digits
    to[1] = at - 2
    return at


cdef inline void lay_block(uint8_t *to, uint8_t kind, const uint8_t *number) noexcept nogil:
    """Lays out what a handle says: the kind, the digits in half a byte each, zeros, which are there already."""
    cdef int place
    to[0] = kind
    for place in range(NUMBER // 2):
        to[1 + place] = half_of(number[2 * place]) << 4 | half_of(number[2 * place + 1])


cdef inline uint8_t half_of(uint8_t digit) noexcept nogil:
    return digit & 0xF if digit else NO_DIGIT


cdef void sort_by_number(Judge judge, uint32_t *ordinals, uint32_t count) noexcept nogil:
    """Puts the few owners of a row in the order of their numbers."""
    cdef uint32_t ordinal
    cdef int64_t at, place
    for at in range(1, count):
        ordinal, place = ordinals[at], at
        while place and memcmp(number_of(judge, ordinals[place - 1]), number_of(judge, ordinal), NUMBER) > 0:
            ordinals[place] = ordinals[place - 1]
            place -= 1
        ordinals[place] = ordinal


cdef int64_t write_other(uint8_t *to, bytes row) noexcept:
    cdef int64_t at = 1
    cdef uint64_t size = len(row)
    to[0] = 1 << 3 | LENGTH
    while size >= 0x80:
        to[at] = size & 0x7F | 0x80
        size >>= 7
        at += 1
    to[at] = size
    memcpy(to + at + 1, <const uint8_t *>row, len(row))
    return at + 1 + len(row)
