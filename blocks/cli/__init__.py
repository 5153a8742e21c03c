"""The command line: arguments are parsed here, and what they ask for is imported when it is needed."""
