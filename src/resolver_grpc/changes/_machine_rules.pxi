# The ways in which what is known of a fact changes: those of ``state.py``, on the spans of the owner that is worked on;
# and what a record of the register does, as ``owner.py`` has it.

cdef void know(Work work, uint32_t fact, const Span *spans, uint32_t count) noexcept:
    """Lets a fact hold in these spans and no others; they come behind those of all others."""
    cdef uint32_t at, kept = 0
    for at in range(work.span_count):
        if work.spans[at].fact != fact:
            work.spans[kept] = work.spans[at]
            kept += 1
    work.span_count = kept
    for at in range(count):
        work.add(fact, spans[at].start, spans[at].end)


cdef uint32_t spans_of(Work work, uint32_t fact, Span *spans) noexcept:
    """A fact's spans, as they are now."""
    cdef uint32_t at, count = 0
    for at in range(work.span_count):
        if work.spans[at].fact == fact:
            spans[count] = work.spans[at]
            count += 1
    return count


cdef uint32_t until(Span *spans, uint32_t count, uint32_t instant) noexcept:
    """Leaves what lies before an instant."""
    cdef uint32_t at, kept = 0
    for at in range(count):
        if spans[at].start < instant:
            spans[kept] = Span(spans[at].fact, spans[at].start, min(spans[at].end, instant))
            kept += 1
    return kept


cdef bint lasts_until(Work work, uint32_t fact, uint64_t instant) noexcept:
    """Whether a fact doesn't end before an instant."""
    cdef uint32_t at
    for at in range(work.span_count):
        if work.spans[at].fact == fact and work.spans[at].end >= instant:
            return True
    return False


cdef bint change_fact(Work work, int way, uint32_t instant, uint32_t fact, uint32_t value) noexcept:
    """Changes a fact in one of the ways; False for one that there isn't."""
    cdef Span spans[MOST_SPANS + 2]
    cdef uint32_t at, count
    if way == NOT_AT_ALL:
        return True
    count = spans_of(work, fact, spans)
    if way == BEGINS:
        begin_fact(work, fact, instant, spans, count)
    elif way == ENDS:
        work.end(fact, instant)
        if count and instant >= spans[count - 1].start:
            spans[count - 1].end = min(spans[count - 1].end, instant)
        know(work, fact, spans, count)
    elif way == LASTS:
        for at in range(count):
            value = max(value, spans[at].end)
        spans[0] = Span(fact, ALWAYS, value)
        know(work, fact, spans, 1)
    elif way == CLOSES:
        for at in range(count):
            spans[at].end = min(spans[at].end, instant)
        work.end(fact, instant)
        know(work, fact, spans, count)
    elif way == BEGINS_EARLIEST:
        for at in range(count):
            instant = min(instant, spans[at].start)
        spans[0] = Span(fact, instant, FOREVER)
        know(work, fact, spans, 1)
    elif way == IS_NOTICED:
        know(work, fact, spans, with_notice(fact, value, spans, count))
    else:
        return False
    return True


cdef void begin_fact(Work work, uint32_t fact, uint32_t instant, Span *spans, uint32_t count) noexcept:
    """Of two beginnings the later counts, and so do all ends after it or at it."""
    cdef uint32_t at, kept = 0, end = FOREVER
    if count:
        instant = max(instant, spans[count - 1].start)
    for at in range(work.ended_count):
        if work.ended[at].fact == fact:
            if work.ended[at].instant < instant:
                continue
            end = min(end, work.ended[at].instant)
        work.ended[kept] = work.ended[at]
        kept += 1
    work.ended_count = kept
    spans[0] = Span(fact, instant, end)
    know(work, fact, spans, 1)


cdef uint32_t with_notice(uint32_t fact, uint32_t start, Span *spans, uint32_t count) noexcept:
    """Puts a notice among those that there are, in their order, each once."""
    cdef uint32_t at, place
    spans[count] = Span(fact, start, FOREVER)
    count += 1
    for at in range(1, count):
        place = at
        while place and is_before(&spans[place], &spans[place - 1]):
            spans[place], spans[place - 1] = spans[place - 1], spans[place]
            place -= 1
    place = 1
    for at in range(1, count):
        if is_before(&spans[place - 1], &spans[at]):
            spans[place] = spans[at]
            place += 1
    return place


cdef inline bint is_before(const Span *one, const Span *other) noexcept:
    return one.start < other.start or (one.start == other.start and one.end < other.end)


cdef void state_protections(Work work, uint32_t instant, uint32_t end_of_day) noexcept:
    """The register tells of no protection: the former hold until the end of that day, beside a later list for good."""
    cdef Span spans[MOST_SPANS]
    cdef Span former
    cdef uint32_t at, other, kept = 0, count = spans_of(work, PROTECTION, spans)
    cdef int64_t latest = -1
    for at in range(work.stated_count):
        if work.stated[at].fact == PROTECTION:
            latest = work.stated[at].instant
            work.stated[at].instant = max(work.stated[at].instant, instant)
    if latest < 0:
        if work.stated_count == MOST_TOLD:
            work.is_whole = False
            return
        work.stated[work.stated_count] = Told(PROTECTION, instant)
        work.stated_count += 1
    if <int64_t>instant > latest:
        count = until(spans, count, end_of_day)
    for at in range(count):
        for other in range(kept):
            if spans[other].start == spans[at].start and spans[other].end == spans[at].end:
                break
        else:
            spans[kept] = spans[at]
            kept += 1
    know(work, PROTECTION, spans, kept)


cdef bint counts(Work work, uint32_t instant) noexcept:
    """Whether a record of the register takes the former's place: not beside a later one, nor after a death."""
    cdef uint32_t at
    for at in range(work.ended_count):
        if work.ended[at].fact == RESIDENT and instant <= work.ended[at].instant:
            return False
    return instant >= work.recorded


cdef void settle_home(Work work, uint32_t instant, bint is_same, bint lives, bint is_registered) noexcept:
    """Lets a record's home count from an instant on; at another one than before the owner lived nowhere until then."""
    cdef Span spans[MOST_SPANS + 1]
    cdef uint32_t count = 0
    if is_same:
        count = until(spans, spans_of(work, RESIDENT, spans), instant)
    if lives:
        spans[count] = Span(RESIDENT, instant, FOREVER)
        count += 1
    know(work, RESIDENT, spans, count)
    count = until(spans, spans_of(work, REGISTERED, spans), instant)
    if is_registered:
        spans[count] = Span(REGISTERED, instant, FOREVER)
        count += 1
    know(work, REGISTERED, spans, count)
    work.recorded = instant


cdef bint holds(Work work, uint32_t fact, uint32_t instant) noexcept:
    cdef uint32_t at
    for at in range(work.span_count):
        if work.spans[at].fact == fact and work.spans[at].start <= instant < work.spans[at].end:
            return True
    return False


cdef bint meets(Work work, int condition, uint32_t instant) noexcept:
    """Whether an owner may be reached that way at an instant; ``policy.reach`` has the conditions."""
    if holds(work, PROTECTION, instant) or not holds(work, MAILBOX, instant) or not holds(work, LOGIN, instant):
        return False
    if condition == BY_ADDRESS:
        return holds(work, RESIDENT, instant) and holds(work, CONSENT, instant)
    return holds(work, REGISTERED, instant) and holds(work, CLAIM, instant)


cdef bint is_reached(Work work, int condition, uint32_t start, uint32_t end) noexcept:
    """Whether an owner may be reached that way at any instant of a window: nothing changes between two edges."""
    cdef uint32_t at
    if meets(work, condition, start):
        return True
    for at in range(work.span_count):
        if start < work.spans[at].start < end and meets(work, condition, work.spans[at].start):
            return True
        if start < work.spans[at].end < end and meets(work, condition, work.spans[at].end):
            return True
    return False
