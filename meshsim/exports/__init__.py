"""What a recording looks like in the formats of other tools: so far the tables of istioctl."""
