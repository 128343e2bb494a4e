"""The WorkChain that validates a potential against its labeller."""
