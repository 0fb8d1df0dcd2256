"""What the tests of the channel statistics, and their demo, hold everything against."""
