"""What `tsva inspect` finds out, and how it shows it."""
