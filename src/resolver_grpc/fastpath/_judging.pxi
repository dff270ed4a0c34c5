# From owners to outcomes: flags and the compiled policy, looked up. What they mean stands in standing.py and
# policy/compiled.py.

cdef class Judge:
    """What decides for one sender at one instant: the owners' flags and the compiled policy.

    Args:
        owner_flags: a byte for each owner; ``policy_flags`` names its bits that the policy's code takes as they are.
        relation_flags: four bits for each owner, the even ones' below the odd ones', shifted into the code by one.
        numbers: ten bytes for each owner, shorter numbers with zeros behind them.
        address_numbers: for each owner, equal for all who live at one address.
        policy_flags: see there.
        reach: by kind, the bit that an owner must have to be a candidate.
        several: by kind, the bits that make one candidate several.
        routes: by the policy's code.
        reasons: by the policy's code.
        reaches: by the owner's bits of the code, whether a query for everyone reaches the owner.
        with_targets: by route, whether a decision has targets.
        targets: by kind, what is told of each: 0 of a decision without any, 1 for its handle, 3 for its number, too.
        left: by route, whether the plain way is to write the row.
        extra: bits of the code that the whole request has.
        layer: what changes laid over the index; the flags are of its owners, too, and the columns of the index's alone.

    Raises:
        ValueError: columns or tables of lengths that don't fit together.
    """

    cdef const uint8_t[::1] owner_flags
    cdef const uint8_t[::1] relation_flags
    cdef const uint8_t[::1] numbers
    cdef const uint32_t[::1] address_numbers
    cdef const uint8_t[::1] reaches
    cdef const uint8_t[::1] reach
    cdef const uint8_t[::1] several
    cdef const uint8_t[::1] routes
    cdef const uint8_t[::1] reasons
    cdef const uint8_t[::1] with_targets
    cdef const uint8_t[::1] targets
    cdef const uint8_t[::1] left
    cdef uint8_t policy_flags
    cdef uint8_t left_flag
    cdef uint32_t extra
    cdef uint32_t below  # the index's own owners
    cdef uint32_t owners
    cdef Layer layer
    cdef const uint8_t[::1] new_numbers
    cdef const uint32_t[::1] new_address_numbers

    def __init__(
        self, owner_flags, relation_flags, numbers, address_numbers, uint8_t policy_flags, reach, several, routes, reasons,
        reaches, with_targets, targets, left, uint32_t extra, Layer layer=None
    ):
        self.owner_flags, self.relation_flags, self.numbers = owner_flags, relation_flags, numbers
        self.reach, self.several, self.policy_flags = reach, several, policy_flags
        self.address_numbers, self.reaches = address_numbers, reaches
        self.routes, self.reasons = routes, reasons
        self.with_targets, self.targets, self.left, self.extra = with_targets, targets, left, extra
        owners = self.owner_flags.shape[0]
        if not owners or owners >= 0x80000000 or self.relation_flags.shape[0] != (owners + 1) // 2:
            raise ValueError("the owners' columns have different lengths")
        below = owners
        if layer is not None:
            below, self.layer, self.left_flag = layer.below, layer, layer.left_flag
            self.new_numbers, self.new_address_numbers = layer.numbers, layer.address_numbers
            if owners != layer.owners:
                raise ValueError("the flags are not those of the layer's owners")
        self.below, self.owners = below, owners
        if self.numbers.shape[0] != NUMBER * below:
            raise ValueError("the owners' columns have different lengths")
        if self.address_numbers.shape[0] != below or len(reaches) != OWNER_CODES or policy_flags >= OWNER_CODES:
            raise ValueError("the owners' columns have different lengths")
        if self.routes.shape[0] != CODES or self.reasons.shape[0] != CODES or extra >= CODES:
            raise ValueError("the policy has another number of codes")
        if any(len(table) != KINDS for table in (reach, several, with_targets, targets, left)):
            raise ValueError("a kind or a route has no bits")
        if not set(targets) <= {0, TELLS_HANDLE, TELLS_HANDLE | TELLS_NUMBER}:
            raise ValueError("a target without its handle")
        if max(self.routes) >= KINDS or max(self.reasons) > 0x7F:
            raise ValueError("a route or a reason has no name")


cdef void decide(Judge judge, Row **rows, int count) noexcept nogil:
    """Looks every row's outcome up by what is known of its owner; a miss loads what a hit does."""
    cdef Row *row
    cdef uint32_t known
    cdef uint8_t flags
    cdef int number
    for number in range(count):
        row = rows[number]
        if not row.recipe.everyone:
            RESOLVER_PREFETCH(&judge.owner_flags[row.ordinal])
            RESOLVER_PREFETCH(&judge.relation_flags[row.ordinal >> 1])
            RESOLVER_PREFETCH(number_of(judge, row.ordinal))
    for number in range(count):
        row = rows[number]
        row.reached = 0
        if row.recipe.everyone:
            continue
        flags = judge.owner_flags[row.ordinal]
        # Whether it is needed or not: the time is not to tell.
        known = ONE | bits_of(judge, row.ordinal)
        if flags & judge.several[row.recipe.kind]:
            known = SEVERAL
        if not (row.found and flags & judge.reach[row.recipe.kind]):
            known = 0
        set_outcome(judge, row, code_of(judge, row) | known)
        if row.found and flags & judge.left_flag:
            row.state = PLAIN


cdef inline const uint8_t *number_of(Judge judge, uint32_t ordinal) noexcept nogil:
    """Where an owner's number stands."""
    if ordinal < judge.below:
        return &judge.numbers[<uint64_t>ordinal * NUMBER]
    return &judge.new_numbers[<uint64_t>(ordinal - judge.below) * NUMBER]


cdef inline uint32_t address_number_of(Judge judge, uint32_t ordinal) noexcept nogil:
    """The number of an owner's address."""
    if ordinal < judge.below:
        return judge.address_numbers[ordinal]
    return judge.new_address_numbers[ordinal - judge.below]


cdef inline uint32_t code_of(Judge judge, const Row *row) noexcept nogil:
    """What the code says of the query alone."""
    return <uint32_t>row.recipe.kind << KIND_SHIFT | (POSTED if row.can_be_posted else 0) | judge.extra


cdef inline uint32_t bits_of(Judge judge, uint32_t ordinal) noexcept nogil:
    """What the code says of an owner."""
    cdef uint32_t relations = judge.relation_flags[ordinal >> 1] >> (4 * (ordinal & 1)) & 0xF
    return judge.owner_flags[ordinal] & judge.policy_flags | (relations << 1 & (OWNER_CODES - 1))


cdef inline void set_outcome(Judge judge, Row *row, uint32_t code) noexcept nogil:
    row.route, row.reason = judge.routes[code], judge.reasons[code]
    if judge.left[row.route]:
        row.state = PLAIN


cdef inline uint32_t targets_of(Judge judge, const Row *row) noexcept nogil:
    """How many targets the kernel writes of a row; whatever the policy says, a miss has none."""
    if row.state != FAST or not judge.with_targets[row.route] or not judge.targets[row.recipe.kind]:
        return 0
    return row.reached if row.recipe.everyone else row.found


cdef bint decide_everyone(PageSet pages, Judge judge, Row *row, uint32_t *reached) noexcept nogil:
    """Judges every owner under a row's key, of a miss one whom it reaches not; False where a posting list leads to no
    owner.

    Args:
        pages: where the posting lists lie.
        judge: decides.
        row: whose key was found, or not; its list lies in memory.
        reached: takes the ordinals of those whom the row reaches.
    """
    cdef const Posting *posting
    cdef const uint8_t *ordinals = NULL
    cdef uint32_t code = code_of(judge, row), ordinal, place, count = 1, address = 0
    cdef bint met = False
    if row.found and row.ordinal >> 31:
        if row.layered:
            ordinals = listed(judge.layer, row.ordinal, &count)
        else:
            posting = &pages.lists[row.ordinal ^ <uint32_t>0x80000000]
            ordinals, count = posting.bytes, posting.ordinals
        if not ordinals or count > MOST_ORDINALS:
            return False
    for place in range(count):
        ordinal = load_slot(ordinals + place * SLOT) if ordinals else row.ordinal
        if ordinal >= judge.owners:
            return False
        if judge.owner_flags[ordinal] & judge.left_flag and row.found:
            row.state = PLAIN
            row.reached = 0
            return True
        if judge.owner_flags[ordinal] & judge.reach[row.recipe.kind] and row.found:
            if met and address_number_of(judge, ordinal) != address:
                code |= SEVERAL_ROADS
            met, address = True, address_number_of(judge, ordinal)
            if judge.reaches[bits_of(judge, ordinal)]:
                reached[row.reached] = ordinal
                row.reached += 1
    set_outcome(judge, row, code | SEVERAL if row.reached else code)
    return True
