"""The simulation as a command: many stories, one of them again, or every order of the small cases."""
