"""The edge: takes readings where they arise, keeps them on disk, and brings them to the centre once and in order."""
