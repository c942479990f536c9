"""What is kept: responses, the run directory, and the one atomic writer."""
