"""The story that `gridwright demo` tells: a living town, from the meter to the bill and back to the switch."""
