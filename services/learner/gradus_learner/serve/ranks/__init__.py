"""The processes of one learner, as torchrun starts them: rank 0 serves, the others train with it."""
