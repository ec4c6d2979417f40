"""The ledger of vendors' quotas: what was used, what may be asked now, who has to wait."""
