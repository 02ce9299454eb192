"""Names of the backends that `registry` has, for programs that load no torch."""

BUILTIN, TRANSFORMERS = "builtin", "transformers"
