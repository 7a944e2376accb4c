"""Real processes for the black-box tests: one noun per file, standard library only."""
