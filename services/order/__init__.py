"""Order: totals, coupons, the order itself."""
