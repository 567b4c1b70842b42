"""The operating system: files, clocks, processes and terminals. Knows no audio."""
