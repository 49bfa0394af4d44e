"""The installed command, seen from outside: exit codes, what it prints, what it leaves behind when things go wrong."""
