"""What the VEE accuracy table is made of: real homes, gaps with known answers, and seeded faults."""
