"""The builder: sources (CPR extract, CSV, Parquet) to rows to entries to a snapshot."""
