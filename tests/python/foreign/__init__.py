"""Libraries that lend memory and describe it wrongly, and what becomes of them."""
