"""What a recording looks like in the formats of other tools: the tables of istioctl, and the config dump it reads."""
