SELECT hall FROM readings JOIN machines USING (hall)
