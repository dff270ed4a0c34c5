# Decisions as fields of the response, in the order in which protobuf writes them.

cdef inline int64_t write_row(uint8_t *to, const Row *row, Judge judge, uint32_t *reached) noexcept nogil:
    """Writes a decision: its size, its reference, two numbers of two bytes, and its targets."""
    cdef int64_t at = 2, number
    cdef bint is_long = row.reached * TARGET > 0x7F - MAX_REFERENCE
    at += is_long
    if row.reference_size:
        to[at], to[at + 1] = 1 << 3 | LENGTH, row.reference_size
        memcpy(to + at + 2, row.reference, row.reference_size)
        at += 2 + row.reference_size
    to[at], to[at + 1], to[at + 2], to[at + 3] = 2 << 3, row.route, 3 << 3, row.reason
    at += 4
    if judge.with_number[row.route]:
        if row.recipe.everyone:
            sort_by_number(judge, reached, row.reached)
            for number in range(row.reached):
                at += write_target(to + at, judge, reached[number])
        else:
            at += write_target(to + at, judge, row.ordinal)
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


cdef inline int64_t write_target(uint8_t *to, Judge judge, uint32_t ordinal) noexcept nogil:
    cdef const uint8_t *number = &judge.numbers[<uint64_t>ordinal * NUMBER]
    cdef int64_t digits = NUMBER
    while digits and not number[digits - 1]:
        digits -= 1
    to[0], to[1], to[2], to[3] = 5 << 3 | LENGTH, digits + 2, 2 << 3 | LENGTH, digits
    memcpy(to + 4, number, digits)
    return 4 + digits


cdef inline int64_t count_targets(const Row *row, Judge judge) noexcept nogil:
    """How many targets a decision is written with."""
    if not judge.with_number[row.route]:
        return 0
    return row.reached if row.recipe.everyone else 1


cdef void sort_by_number(Judge judge, uint32_t *ordinals, uint32_t count) noexcept nogil:
    """Puts the few owners of a row in the order of their numbers."""
    cdef uint32_t ordinal
    cdef int64_t at, place
    for at in range(1, count):
        ordinal, place = ordinals[at], at
        while place and memcmp(
            &judge.numbers[<uint64_t>ordinals[place - 1] * NUMBER], &judge.numbers[<uint64_t>ordinal * NUMBER], NUMBER
        ) > 0:
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
