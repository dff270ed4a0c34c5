# From a row's bytes to its fields, its recipe and its words. Whatever is unusual is the plain way's; nothing is read
# past the row's end.

cdef inline int64_t read_size(const uint8_t **at, const uint8_t *end, int bytes_at_most) noexcept nogil:
    """Reads a varint in its shortest form; -1 for anything else."""
    cdef uint64_t value = 0
    cdef int shift = 0
    cdef uint8_t byte = 0
    while True:
        if at[0] >= end or shift >= 7 * bytes_at_most:
            return -1
        byte = at[0][0]
        at[0] += 1
        value |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return <int64_t>value if byte or not shift else -1


cdef inline bint is_ascii(const uint8_t *p, int64_t size) noexcept nogil:
    cdef uint8_t seen = 0
    cdef int64_t at
    for at in range(size):
        seen |= p[at]
    return seen < 0x80


cdef inline int64_t end_of_name(const uint8_t *classes, const uint8_t *name, int64_t size, int64_t *blank) noexcept nogil:
    """Checks a name of ordinary letters and finds its first and its last blank; 0 for a name that is not ordinary."""
    cdef int64_t at = 0
    cdef uint8_t one
    blank[0] = blank[1] = -1
    if not size or name[0] == BLANK or name[size - 1] == BLANK:
        return 0
    while at < size:
        one = classes[name[at]]
        if one == 2:
            at += 1
            if at == size or classes[name[at]] != 3:
                return 0
        elif one != 1:
            return 0
        elif name[at] == BLANK:
            blank[1] = at
            if blank[0] < 0:
                blank[0] = at
        at += 1
    return size


cdef inline int64_t place_of_at(const uint8_t *text, int64_t size) noexcept nogil:
    """Finds the only @ of a text; -1 where there is none, or several."""
    cdef int64_t at, found = -1
    for at in range(size):
        if text[at] == AT:
            if found >= 0:
                return -1
            found = at
    return found


cdef bint walk_row(Kernel kernel, Row *row, const uint8_t *p, const uint8_t *end) noexcept nogil:
    """Finds a row's fields, its recipe and its words; False for a row that the plain way takes."""
    cdef const uint8_t *fields[FIELDS]
    cdef int64_t sizes[FIELDS]
    cdef uint32_t seen = 0, mask = 0, bit
    cdef uint8_t tag, field, kind = 0
    cdef int64_t size
    cdef int number
    memset(fields, 0, sizeof(fields))
    memset(sizes, 0, sizeof(sizes))
    row.can_be_posted = 0
    while p < end:
        tag = p[0]
        if tag == (KIND_FIELD << 3):
            if end - p < 2 or p[1] >= KINDS or seen & (1 << KIND_FIELD):
                return False
            seen |= 1 << KIND_FIELD
            kind = p[1]
            p += 2
        elif tag == (POSTED_FIELD << 3 & 0x7F | 0x80):
            if end - p < 3 or p[1] != 1 or p[2] > 1 or seen & (1 << POSTED_FIELD):
                return False
            seen |= 1 << POSTED_FIELD
            row.can_be_posted = p[2]
            mask |= <uint32_t>p[2] << POSTED_FIELD
            p += 3
        else:
            field = tag >> 3
            bit = <uint32_t>1 << field
            if tag >= 0x80 or tag & 7 != LENGTH or not field or field == KIND_FIELD or seen & bit:
                return False
            p += 1
            size = read_size(&p, end, 2)
            if size < 0 or size > MAX_FIELD or size > end - p:
                return False
            seen |= bit
            if size:
                mask |= bit
            fields[field] = p
            sizes[field] = size
            p += size
    size = sizes[1]
    if size > MAX_REFERENCE or not is_ascii(fields[1], size):
        return False
    row.reference = fields[1]
    row.reference_size = size
    mask &= ~<uint32_t>(1 << 1)
    for number in range(kernel.recipes_count):
        row.recipe = &kernel.recipes[number]
        if (
            row.recipe.kind == kind
            and mask & row.recipe.needed == row.recipe.needed
            and not mask & ~row.recipe.allowed
            and (not row.recipe.sized_field or sizes[row.recipe.sized_field] == row.recipe.size)
        ):
            row.can_be_posted |= row.recipe.posted
            return find_words(kernel, row, fields, sizes)
    return False


cdef bint find_words(Kernel kernel, Row *row, const uint8_t **fields, const int64_t *sizes) noexcept nogil:
    """Finds the words that a recipe asks for, and the places of the memories where they may be remembered."""
    cdef const Step *step
    cdef Fold *fold
    cdef Word *word
    cdef const uint8_t *text
    cdef int64_t size, at
    cdef int64_t blank[2]
    cdef uint64_t hashed
    cdef int number
    for number in range(row.recipe.steps_count):
        step = &row.recipe.steps[number]
        word = &row.words[number]
        size = sizes[step.field]
        text = fields[step.field] if size else NULL
        if step.part == SLICE:
            text += step.start
            size = step.stop - step.start
        elif step.part == BEFORE_AT or step.part == AFTER_AT:
            at = place_of_at(text, size)
            if at < 0:
                return False
            if step.part == BEFORE_AT:
                size = at
            else:
                text += at + 1
                size -= at + 1
        elif step.part != WHOLE:
            if not end_of_name(kernel.ordinary, text, size, blank):
                return False
            if blank[0] < 0:
                if step.part == FIRST_OF_TWO or step.part == LAST_OF_TWO:
                    return False
            elif step.part == FIRST or step.part == FIRST_OF_TWO:
                size = blank[0]
            else:
                text += blank[1] + 1
                size -= blank[1] + 1
        if not size and step.part != WHOLE:
            return False
        word.bytes, word.size, word.set = text, size, NULL
        fold = &kernel.folds[step.fold]
        if size > fold.word_bytes:
            return False
        if size and fold.places:
            hashed = word_hash(text, size, kernel.seed)
            word.tag = hashed >> 32
            word.set = fold.places + (hashed & fold.sets_mask) * WAYS * fold.stride
            word.way = hashed >> 30 & (WAYS - 1)
            RESOLVER_PREFETCH(word.set + word.way * fold.stride)
    return True
