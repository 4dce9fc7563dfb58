"""What is done to the tool to see what it loses: one file a kind of harm, each with `run(seconds, seed)`."""
