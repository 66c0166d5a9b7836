"""Cart: the cart as a quote, the checkout session, the price projection."""
