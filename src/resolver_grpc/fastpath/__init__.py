"""The fast way: recipes as data, the kernel that runs them on bytes, and what it needs to know of the owners."""
