"""Driver: the code that runs on the machine where the command was typed."""
