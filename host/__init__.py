"""The door to the server Backplane runs in: ``protocol.py`` says what is needed of it."""
