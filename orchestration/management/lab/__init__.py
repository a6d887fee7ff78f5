"""A laboratory for scheduling: simulated nodes and users, and the product's own decisions beside those of others."""
