"""Training: state, steps, losses and the loop."""
