"""The audit: one sealed record for each batch, and what finds every record that was changed, dropped or cut off."""
