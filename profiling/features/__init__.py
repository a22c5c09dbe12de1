"""Features on disk: the store, and the engine that fills it."""
