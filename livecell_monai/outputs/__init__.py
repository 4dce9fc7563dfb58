"""What a prediction leaves on disk. No torch here."""
