"""How far consumer groups are behind: those of any cluster, ours or not, with settings alone."""
