"""A country's register at full size, made by columns: deterministic, and no Python object for each row."""
