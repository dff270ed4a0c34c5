"""The builder's way for a whole country: columns and arrays, no Python object for a row.

It says nothing of its own about what a cell means: distinct texts go through the parsers of the plain way,
and what is worked out on arrays instead (numbers, instants, names, e-mail addresses) is compared with them
by property tests. The plain way beside it builds the same snapshot row by row and is its oracle.
"""
