"""What is done to rows before training: adapt, transform, precompute."""
