"""Tables, plots, the one-file HTML report, JUnit, GitHub annotations: what people and machines read of a recording."""
