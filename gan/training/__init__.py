"""Training: state, steps, losses and the training loop."""
