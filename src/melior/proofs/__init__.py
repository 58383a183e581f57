"""What a method is worth, measured: the experiments behind the cards, their data, and what runs them."""
