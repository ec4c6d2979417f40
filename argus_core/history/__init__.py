"""The archive of sealed bars and factors: apart from the cache tiers, never evicted."""
