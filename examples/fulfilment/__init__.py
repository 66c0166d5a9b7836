"""Ships the orders that are confirmed."""
