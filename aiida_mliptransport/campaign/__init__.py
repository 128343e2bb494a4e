"""The campaign file: schema, validation and planning."""
