"""Tables that commands print for a person, and the words in them."""
