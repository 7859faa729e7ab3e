"""What deaths, orchestration and reports cost: ``make benchmark``."""
