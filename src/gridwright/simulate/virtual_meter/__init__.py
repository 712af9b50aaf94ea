"""A meter that is not there: it measures what it is told, and answers IEC 62056-21 over a real socket."""
