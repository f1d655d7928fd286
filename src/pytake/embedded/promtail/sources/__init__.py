"""Where lines come from: files, syslog, pushes, the journal, standard input."""
