"""What leaves the process about the process."""
