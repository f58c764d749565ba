"""Settings and the slide sheet, checked before anything runs."""
