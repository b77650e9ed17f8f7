SELECT hall FROM machines
