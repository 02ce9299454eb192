"""What a policy starts from: its tokens and its first weights."""
