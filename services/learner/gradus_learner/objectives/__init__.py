"""What a step minimises, one objective per file: a frozen config from the wire, and a pure function."""
