"""Inventory: the stock of every SKU and the reservations on it."""
