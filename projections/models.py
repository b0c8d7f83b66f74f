"""There are no Django models here; but `migrate` tells only apps that have this module when it begins and ends."""
