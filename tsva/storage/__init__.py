"""Tables and arrays that stages hand to each other, written whole or not at all."""
