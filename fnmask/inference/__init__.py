"""A trained network put to use: predictions, exports, and decisions with a moved threshold."""
