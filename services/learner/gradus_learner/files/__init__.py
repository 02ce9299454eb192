"""Files that appear whole, and digests of what they hold."""
