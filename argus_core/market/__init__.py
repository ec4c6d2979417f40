"""What is true of the Chinese market, whoever supplies the data."""
