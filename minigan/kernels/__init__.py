"""Array in, array out: the inner loops, with no tape in sight."""
