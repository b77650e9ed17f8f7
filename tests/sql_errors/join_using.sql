SELECT hall FROM readings JOIN machines USING (device)
