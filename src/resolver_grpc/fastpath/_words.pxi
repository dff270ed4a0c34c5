# Recipes, folds and the memories of words: from the words of a row to the message that its key is the hash of.

cdef inline uint64_t word_hash(const uint8_t *p, uint32_t size, uint64_t seed) noexcept nogil:
    """Spreads words over a memory; the seed keeps anybody from choosing words that fall together."""
    cdef uint64_t hashed = seed ^ size, word
    while size > 8:
        memcpy(&word, p, 8)
        hashed = (hashed ^ word) * <uint64_t>0x9E3779B97F4A7C15
        hashed ^= hashed >> 29
        p += 8
        size -= 8
    word = 0
    while size:
        size -= 1
        word = word << 8 | p[size]
    hashed = (hashed ^ word) * <uint64_t>0xBF58476D1CE4E5B9
    return hashed ^ hashed >> 31


cdef class Kernel:
    """Recipes, the memories of their folds, and the secret of the keys.

    Args:
        secret: the secret of the index's keys.
        separator: stands between the parts of a key.
        street_kind: the kind of the keys of streets.
        recipes: (kind, kind of key, needed fields, allowed fields, street's parts, sized field, size, posted,
            everyone, steps), of which the fields are bits by number; a step is
            (field, part, start, stop, fold, what stands before it, dropped).
        folds: (function, places, bytes of a word, bytes of a form) of those with a memory, (table, between, bytes of a
            word) of the others.
        ordinary: what a byte of a name is: 0 strange, 1 a sign, 2 the first and 3 the second byte of a letter.
        seed: spreads the words over the memories.
    """

    cdef blake2b_state begun
    cdef Recipe recipes[MAX_RECIPES]
    cdef Fold folds[MAX_FOLDS]
    cdef int recipes_count
    cdef uint8_t separator
    cdef uint8_t street_kind
    cdef bint wide
    cdef uint64_t seed
    cdef uint8_t ordinary[256]
    cdef list functions

    def __cinit__(
        self, bytes secret, uint8_t separator, uint8_t street_kind, list recipes, list folds, bytes ordinary, uint64_t seed
    ):
        cdef const uint8_t *bytes_of_secret = secret
        cdef int number
        if not 0 < len(secret) <= BLAKE2B_MAX_KEY or len(recipes) > MAX_RECIPES or len(folds) > MAX_FOLDS:
            raise ValueError("more recipes, folds or bytes of a secret than the kernel takes")
        if len(ordinary) != 256:
            raise ValueError("a byte of names has no class")
        blake2b_begin(&self.begun, KEY, bytes_of_secret, len(secret))
        blake2b_pass_key(&self.begun)
        memcpy(self.ordinary, <const uint8_t *>ordinary, 256)
        self.separator, self.street_kind, self.seed = separator, street_kind, seed
        self.wide = blake2b_has_four()
        self.functions = []
        for number, fold in enumerate(folds):
            self.take_fold(&self.folds[number], fold)
        self.recipes_count = len(recipes)
        for number, recipe in enumerate(recipes):
            self.take_recipe(&self.recipes[number], recipe, len(folds))

    def __dealloc__(self):
        for number in range(MAX_FOLDS):
            free(self.folds[number].places)

    cdef int take_fold(self, Fold *fold, tuple given) except -1:
        if len(given) == 3:
            table, between, fold.word_bytes = given
            if len(table) != 256 or len(between) != 256:
                raise ValueError("a byte of a fold has no form")
            memcpy(fold.table, <const uint8_t *>(<bytes>table), 256)
            memcpy(fold.between, <const uint8_t *>(<bytes>between), 256)
            self.functions.append(None)
            return 0
        function, places, word_bytes, form_bytes = given
        if places & (places - 1) or places < WAYS or not (0 < word_bytes <= MAX_FIELD and 0 < form_bytes <= MAX_FIELD):
            raise ValueError("a memory must have a power of two of places, and room for words of a field")
        fold.sets_mask = places // WAYS - 1
        fold.word_bytes, fold.form_bytes = word_bytes, form_bytes
        fold.stride = (HEAD + word_bytes + form_bytes + 7) // 8 * 8
        # Forms are copied by chunks, of which the last may reach past the last place.
        fold.places = <uint8_t *>resolver_table(<size_t>places * fold.stride + CHUNK, 1)
        if not fold.places:
            raise MemoryError
        self.functions.append(function)
        return 0

    cdef int take_recipe(self, Recipe *recipe, tuple given, int folds) except -1:
        kind, key_kind, needed, allowed, street_parts, sized_field, size, posted, everyone, steps = given
        if not 0 < kind < KINDS or not 0 < len(steps) <= MAX_STEPS or sized_field >= FIELDS:
            raise ValueError("a recipe of no kind, or with too many steps")
        recipe.kind, recipe.key_kind, recipe.needed, recipe.allowed = kind, key_kind, needed, allowed
        recipe.street_parts, recipe.sized_field, recipe.size = street_parts, sized_field, size
        recipe.posted, recipe.everyone = posted, everyone
        recipe.steps_count = len(steps)
        for number, step in enumerate(steps):
            field, part, start, stop, fold, before, dropped = step
            if not 0 < field < FIELDS or not 0 <= fold < folds or part > AFTER_AT:
                raise ValueError("a step of no field or fold")
            if part == SLICE and not (field == sized_field and 0 <= start < stop <= size):
                raise ValueError("a slice outside its field")
            recipe.steps[number] = Step(field, part, fold, before, dropped, start, stop)
        return 0

    def memories(self):
        """Tells of each fold how often a word was remembered and how often not: (hits, misses)."""
        return [(self.folds[number].hits, self.folds[number].misses) for number in range(len(self.functions))]

    cdef void discount(self, const Row *row, int missing) noexcept:
        """Takes back the hits that a row is about to have once more, from its first word to the one just learnt."""
        cdef int number
        for number in range(missing + 1):
            self.folds[row.recipe.steps[number].fold].hits -= row.words[number].set != NULL

    cdef int learn(self, Word *word, int fold_number) except -1:
        """Asks Python for the form of a word that is not remembered, and remembers it, or that it is refused."""
        cdef Fold *fold = &self.folds[fold_number]
        cdef uint8_t *place
        cdef uint8_t *chosen = NULL
        cdef int way
        form = None
        try:
            form = self.functions[fold_number](word.bytes[: word.size].decode()).encode()
        except ValueError:
            pass
        if form is not None and (len(form) > fold.form_bytes or self.separator in form):
            form = None
        for way in range(WAYS):
            place = way_of(fold, word, way)
            if place[6] == EMPTY or not place[7]:
                chosen = place
                break
        if not chosen:  # all were asked for lately: from now on it counts anew
            chosen = way_of(fold, word, 0)
            for way in range(WAYS):
                word.set[way * fold.stride + 7] = 0
        memcpy(chosen, &word.tag, 4)
        chosen[4], chosen[5], chosen[7] = word.size, 0, 0
        chosen[6] = REFUSED
        memcpy(chosen + HEAD, word.bytes, word.size)
        if form is not None:
            chosen[5], chosen[6] = len(form), FOLDED
            memcpy(chosen + HEAD + word.size, <const uint8_t *>(<bytes>form), len(form))
        return 0


cdef inline uint8_t *way_of(const Fold *fold, const Word *word, int turn) noexcept nogil:
    """The place of a memory that is looked into at some turn: most words lie where they are looked for first."""
    return word.set + (word.way + turn & (WAYS - 1)) * fold.stride


cdef int assemble(Kernel kernel, Row *row, uint8_t *block, uint64_t *size_of, uint8_t *street, uint64_t *street_size) noexcept nogil:
    """Lays the canonical parts into a block, behind the kind of the key, and those of the street into another.

    Returns:
        -1 when it is done, -2 where the plain way takes the row, else the step whose word is not remembered.
    """
    cdef const Step *step
    cdef const Word *word
    cdef Fold *fold
    cdef uint8_t *place
    cdef int64_t at = 1, size
    cdef int number, way
    block[0] = row.recipe.key_kind
    for number in range(row.recipe.steps_count):
        step = &row.recipe.steps[number]
        word = &row.words[number]
        fold = &kernel.folds[step.fold]
        if number and step.before:
            if at >= BLAKE2B_BLOCK:
                return -2
            block[at] = step.before
            at += 1
        if not word.size:
            pass
        elif not fold.places:
            size = translate(fold, word, block + at, BLAKE2B_BLOCK - at)
            if not size:
                return -2
            at += size
        else:
            for way in range(WAYS):
                place = way_of(fold, word, way)
                if place[4] == word.size and not memcmp(place, &word.tag, 4) and place[6] != EMPTY:
                    if not memcmp(place + HEAD, word.bytes, word.size):
                        break
            else:
                fold.misses += 1
                return number
            fold.hits += 1
            place[7] = 1
            if place[6] == REFUSED:
                return -2
            size = place[5]
            if not step.dropped:
                if size > BLAKE2B_BLOCK - at:
                    return -2
                copy(block + at, place + HEAD + word.size, size)
                at += size
        if number + 1 == row.recipe.street_parts:
            street[0] = kernel.street_kind
            memcpy(street + 1, block + 1, at - 1)
            memset(street + at, 0, STRIDE - at)
            street_size[0] = at
    memset(block + at, 0, STRIDE - at)
    size_of[0] = at
    return -1


cdef inline void copy(uint8_t *to, const uint8_t *form, int64_t size) noexcept nogil:
    """Copies by chunks: the surplus of the last lies within the block's own room, and within the memory's."""
    cdef int64_t at = 0
    while at < size:
        memcpy(to + at, form + at, CHUNK)
        at += CHUNK


cdef inline int64_t translate(const Fold *fold, const Word *word, uint8_t *to, int64_t room) noexcept nogil:
    """Folds a word byte by byte; 0 where one is refused, or there is no room."""
    cdef uint32_t at
    cdef uint8_t byte
    cdef bint between, was_between = True
    if <int64_t>word.size > room:
        return 0
    for at in range(word.size):
        byte = word.bytes[at]
        between = fold.between[byte]
        if not fold.table[byte] or (between and was_between):
            return 0
        to[at] = fold.table[byte]
        was_between = between
    return 0 if was_between else word.size
