"""Budgets: what senders have used up of their queries, counted in sketches in a file that all workers share."""
