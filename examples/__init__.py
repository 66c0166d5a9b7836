"""What others build on Quadrille. Nothing here is part of the product."""
