"""WorkChains: how runs are combined."""
