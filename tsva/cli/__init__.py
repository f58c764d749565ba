"""The command line: reads a stage's files, calls the packages below, writes what comes out."""
