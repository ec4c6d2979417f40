"""What is fetched before the open, so that nobody has to wait for it then."""
