"""Sources of rows. One file per source; the file name is the type name."""
