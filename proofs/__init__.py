"""What shows that Quadrille is right: simulation, chaos, mutation, fuzz and bench. No part of the product."""
